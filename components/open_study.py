"""A study that workers add trials to."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def open_study(
    request: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    study: Output[Artifact],
    run: Output[Artifact],
) -> None:
    """Create the study and its MLflow run, or find existing ones, before any worker starts."""
    from merflow.jobs import steps

    steps.open_study(
        request,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        study=study.path,
        run=run.path,
    )

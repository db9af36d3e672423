"""The benchmark's parent run in MLflow."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def track(
    request: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    run: Output[Artifact],
) -> None:
    """Open the parent run of the folds, or find it again."""
    from merflow.jobs import steps

    steps.track(request, manifest=manifest.path, splits=splits.path, features=features.path, run=run.path)

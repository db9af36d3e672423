"""The benchmark's parent run in MLflow."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Markdown, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def track(
    request: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    run: Output[Artifact],
    summary: Output[Markdown],
) -> None:
    """Open the parent run of the folds, or find the existing one; the summary links to it."""
    from merflow.jobs import steps

    steps.track(
        request,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        run=run.path,
        summary=summary.path,
    )

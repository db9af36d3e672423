"""One trained fold of one variant."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Markdown, Metrics, Model, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def train(
    request: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    run: Input[Artifact],
    fold: Output[Model],
    metrics: Output[Metrics],
    summary: Output[Markdown],
) -> None:
    """Train the fold; the epoch is chosen on development data."""
    from merflow.jobs import steps

    metrics.metadata = steps.train(
        request,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        run=run.path,
        fold=fold.path,
        metrics=metrics.path,
        summary=summary.path,
    )

"""One fold of one variant."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def train(
    item: str,
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    run: Input[Artifact],
    workspace: str,
    training_params: str,
    code: str,
    fold: Output[Model],
    metrics: Output[Metrics],
    presets: str = "",
) -> None:
    """Trains ``model:preset:fold``; the epoch is chosen on development data."""
    from merflow.jobs import steps

    metrics.metadata = steps.train(
        item,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        run=run.path,
        workspace=workspace,
        params=training_params,
        fold=fold.path,
        metrics=metrics.path,
        presets=presets,
    )

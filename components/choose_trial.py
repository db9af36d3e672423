"""The outcome of a study, and its best trial as a preset."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def choose_trial(
    request: str,
    trials: list[str],
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    study: Input[Artifact],
    run: Input[Artifact],
    summary: Output[Artifact],
    presets: Output[Artifact],
    page: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Wait for all workers and turn the best trial into a preset for `--presets`."""
    from merflow.jobs import steps

    metrics.metadata = steps.choose_trial(
        request,
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        study=study.path,
        run=run.path,
        summary=summary.path,
        presets=presets.path,
        page=page.path,
        metrics=metrics.path,
    )

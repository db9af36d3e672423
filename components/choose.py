"""What a study found, and its best trial as a preset."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def choose(
    tried: Input[list[Artifact]],
    manifest: Input[Dataset],
    splits: Input[Dataset],
    features: Input[Artifact],
    search: Input[Artifact],
    run: Input[Artifact],
    preset: str,
    code: str,
    summary: Output[Artifact],
    presets: Output[Artifact],
    page: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Waits for all workers; the best trial becomes a preset for `--presets`."""
    from merflow.jobs import steps

    metrics.metadata = steps.choose(
        manifest=manifest.path,
        splits=splits.path,
        features=features.path,
        search=search.path,
        run=run.path,
        preset=preset,
        summary=summary.path,
        presets=presets.path,
        page=page.path,
        metrics=metrics.path,
    )

"""Prediction tables into results and a report."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def evaluate(
    folds: Input[list[Model]],
    manifest: Input[Dataset],
    splits: Input[Dataset],
    run: Input[Artifact],
    name: str,
    command: str,
    evaluation_params: str,
    code: str,
    results: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
    presets: str = "",
) -> None:
    """Figures with intervals, paired comparisons, and one HTML page."""
    from merflow.jobs import steps

    metrics.metadata = steps.evaluate(
        folds=[fold.path for fold in folds],
        manifest=manifest.path,
        splits=splits.path,
        run=run.path,
        name=name,
        command=command,
        params=evaluation_params,
        results=results.path,
        report=report.path,
        metrics=metrics.path,
        presets=presets,
    )

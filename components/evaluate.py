"""The evaluation of prediction tables: results and a report."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Markdown, Metrics, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def evaluate(
    request: str,
    folds: list[str],
    manifest: Input[Dataset],
    splits: Input[Dataset],
    run: Input[Artifact],
    classics: Input[Artifact],
    results: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    tables: Output[Markdown],
) -> None:
    """Compute metrics with confidence intervals and paired comparisons, and write one HTML page.

    KFP draws the best variant's confusion matrix; scores have none. `folds` holds the fingerprints under which the
    workspace stores the folds. No model is downloaded.
    """
    from merflow.jobs import steps

    shown = steps.evaluate(
        request,
        folds=folds,
        manifest=manifest.path,
        splits=splits.path,
        run=run.path,
        classics=classics.path,
        results=results.path,
        report=report.path,
        metrics=metrics.path,
        confusion=confusion.path,
        tables=tables.path,
    )
    metrics.metadata = shown["metrics"]
    if shown["classes"]:
        confusion.log_confusion_matrix(shown["classes"], shown["confusion"])
    confusion.metadata["variant"] = shown["best"]

"""A variant as an MLflow run between its benchmark and its folds: the row that users compare.

Figures are shares, 0 to 1, of all test utterances together. Those below ``published/`` are the paper's own: the name of
one of another corpus or protocol says so, and there is a difference only from one of the same corpus and protocol.
MLflow groups its charts by the part of a name before a slash.

The variant's run has the figures of the epochs that its selection rule selected. If the shadow selection is on,
test-selected epochs have a separate child run, which is tagged as not promotable.
"""

from collections.abc import Mapping
from typing import Any

from merflow.contracts.planned_fold import PlannedFold
from merflow.contracts.published import by_test
from merflow.contracts.results import Results
from merflow.contracts.score_figures import NonePaperFigures
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.contracts.scores import NonePaper, Variant
from merflow.contracts.selection import none_paper_of
from merflow.tracking.deletion import retire_run
from merflow.tracking.fold_tags import all_folds_dataset, promotable_tag, variant_params, variant_tags
from merflow.tracking.notes import variant_note
from merflow.tracking.runs import (
    BENCHMARK_TAG,
    KIND_TAG,
    NOTE_TAG,
    PARENT_TAG,
    Parent,
    as_params,
    get_or_create,
    log_figures,
    log_params,
    set_tags,
)
from merflow.tracking.score_figures import none_paper_figures, variant_figures


def open_variant(parent: Parent, fold: PlannedFold) -> Any:  # noqa: ANN401 - mlflow's Run
    """Make or find the variant's run; a run with other settings makes room for a new one.

    It is deleted, or kept aside if a registered model version points to it.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    with parent.connection.exclusive():
        run, continued = _find(parent, fold)
        if continued and _is_of_other_settings(run, fold):
            retire_run(parent.connection, str(run.info.run_id))
            run, _ = _find(parent, fold)
    log_params(parent.connection, run, variant_params(fold))
    parent.connection.call("log_inputs", run.info.run_id, all_folds_dataset(fold, url=parent.data_url))
    return run


def log_variant(parent: Parent, fold: PlannedFold, results: AnyResults, *, figures: Mapping[str, Any]) -> None:
    """Log a variant's metrics and figures on its run, and end the run as FINISHED.

    Args:
        parent: The benchmark's run.
        fold: Any fold of the variant.
        results: The benchmark's results.
        figures: Matplotlib figures by file name.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    connection, variant = parent.connection, results.variants[fold.variant]
    run = open_variant(parent, fold)
    log_figures(connection, run, figures_of(fold.variant, results))
    tags = {NOTE_TAG: variant_note(fold.variant, results), "stages": ", ".join(variant.training.regime.ran)}
    set_tags(connection, run, tags)
    for name, figure in figures.items():
        connection.call("log_figure", run.info.run_id, figure, name)
    if variant.none_paper is not None:
        _log_none_paper(parent, fold, variant.none_paper, run_id=str(run.info.run_id))
    connection.call("set_terminated", run.info.run_id, status="FINISHED")


def figures_of(name: str, results: AnyResults) -> dict[str, float | None]:
    """Return the figures by which variants are compared; those that a variant lacks are None."""
    if isinstance(results, ScoreResults):
        return variant_figures(name, results)
    variant = results.variants[name]
    low, high = variant.ua.ci95 or (None, None)
    return {
        "test_UA": variant.ua.pooled,
        "test_UA_low": low,
        "test_UA_high": high,
        "spread/UA_mean_of_folds": variant.ua.mean,
        "spread/UA_std_of_folds": variant.ua.std,
        "spread/UA_std_of_seeds": variant.over_seeds.ua.std,
        "test_WA": variant.wa.pooled,
        "test_macro_f1": variant.macro_f1,
        "test_weighted_f1": variant.weighted_f1,
        "test_ece": variant.ece,
        **{f"recall/{name}": recall for name, recall in variant.per_class_recall.items()},
        **_published(variant, results),
    }


def _published(variant: Variant, results: Results) -> dict[str, float]:
    """Return the paper's figures.

    A difference from one is taken on the paper's own corpus and protocol, and with its encoders, alone.
    """
    pooled = {"UA": variant.ua.pooled, "WA": variant.wa.pooled}
    figures = {}
    for test, on_test in by_test(variant.published).items():
        for metric, figure in on_test.items():
            said, value = f"{metric}{'_uncertain' if figure.uncertain else ''}", figure.value / 100
            if test != (results.published_corpus, results.protocol):
                figures[f"published/{test.corpus}/{test.protocol}/{said}"] = value
                continue
            figures[f"published/{said}"] = value
            if metric in pooled and variant.training.has_paper_encoders and not figure.uncertain:
                figures[f"published/{metric}_difference"] = pooled[metric] - value
    return figures


def _find(parent: Parent, fold: PlannedFold) -> tuple[Any, bool]:
    return get_or_create(
        parent.connection,
        parent.experiment,
        name=fold.variant,
        identity={BENCHMARK_TAG: parent.benchmark_id, KIND_TAG: "variant", "variant": fold.variant},
        tags={**variant_tags(fold), **parent.data_tags, PARENT_TAG: parent.run_id},
    )


def _is_of_other_settings(run: Any, fold: PlannedFold) -> bool:  # noqa: ANN401 - mlflow's Run
    """Return True if a logged setting differs; the run may lack some, because its process may have died early."""
    ours = as_params(variant_params(fold))
    return any(ours.get(key) != value for key, value in run.data.params.items())


def _log_none_paper(parent: Parent, fold: PlannedFold, selected: NonePaper | NonePaperFigures, *, run_id: str) -> None:
    """Log the figures of the test-selected epochs, and their differences from the development-selected ones."""
    best, figure = ("lowest", "MAE") if isinstance(selected, NonePaperFigures) else ("highest", "UA")
    selection = none_paper_of(fold.task)
    with parent.connection.exclusive():
        run, _ = get_or_create(
            parent.connection,
            parent.experiment,
            name=f"none-paper of {fold.variant}",
            identity={BENCHMARK_TAG: parent.benchmark_id, KIND_TAG: "none-paper", "variant": fold.variant},
            tags={
                **variant_tags(fold),
                PARENT_TAG: run_id,
                "selection": str(selection),
                "promotable": promotable_tag(selection.promotable),
                NOTE_TAG: f"Figures of the epochs with the {best} test {figure}. They show the bias of choosing the "
                "epoch on test data, and the model cannot be promoted.",
            },
        )
    log_figures(parent.connection, run, _none_paper_figures(selected))
    parent.connection.call("set_terminated", run.info.run_id, status="FINISHED")


def _none_paper_figures(selected: NonePaper | NonePaperFigures) -> dict[str, float | None]:
    if isinstance(selected, NonePaperFigures):
        return none_paper_figures(selected)
    return {
        "test_selected_UA": selected.ua.pooled,
        "test_selected_WA": selected.wa.pooled,
        "bias_UA": selected.bias.ua.pooled,
        "bias_WA": selected.bias.wa.pooled,
    }

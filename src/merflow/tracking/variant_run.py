"""A variant as an MLflow run between its benchmark and its folds: the row that people compare.

Figures are shares, 0 to 1, of all test utterances together; ``published/`` are the paper's own. A word before a slash
is a section of MLflow's charts, before the one of those without. On its run stand the figures of epochs chosen by the
variant's rule. Those of epochs that the test part itself likes best have a run of their own below it, which says
that it cannot be promoted.
"""

from collections.abc import Mapping
from typing import Any

from merflow.contracts.fold_record import PlannedFold
from merflow.contracts.selection import NONE_PAPER
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

# The only corpus that the papers' own figures can be subtracted on.
PUBLISHED_CORPUS = "iemocap"
_POOLED = ("macro_f1", "weighted_f1", "ece")


def open_variant(parent: Parent, fold: PlannedFold) -> Any:  # noqa: ANN401 - mlflow's Run
    """The variant's run, made or found again; one of other settings is deleted and a new one takes its place.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    with parent.connection.exclusive():
        run, continued = _find(parent, fold)
        if continued and _is_of_other_settings(run, fold):
            parent.connection.call("delete_run", run.info.run_id)
            run, _ = _find(parent, fold)
    log_params(parent.connection, run, variant_params(fold))
    parent.connection.call("log_inputs", run.info.run_id, all_folds_dataset(fold))
    return run


def log_variant(parent: Parent, fold: PlannedFold, results: Mapping[str, Any], *, figures: Mapping[str, Any]) -> None:
    """A variant's figures and pictures onto its run, which ends as FINISHED.

    Args:
        parent: The benchmark's run.
        fold: Any of its folds.
        results: Content of ``results.json``.
        figures: Matplotlib figures by file name.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    connection, variant = parent.connection, results["variants"][fold.variant]
    run = open_variant(parent, fold)
    log_figures(connection, run, figures_of(variant, corpus=results["corpus"]))
    set_tags(connection, run, {NOTE_TAG: variant_note(fold.variant, results), "stages": ", ".join(variant["stages"])})
    for name, figure in figures.items():
        connection.call("log_figure", run.info.run_id, figure, name)
    if variant["none_paper"]:
        _log_none_paper(parent, fold, variant, run_id=str(run.info.run_id))
    connection.call("set_terminated", run.info.run_id, status="FINISHED")


def figures_of(variant: Mapping[str, Any], *, corpus: str) -> dict[str, float | None]:
    """The figures by which variants are compared; those that a variant lacks are None."""
    low, high = variant["UA"]["ci95"] or (None, None)
    published = {name: value / 100 for name, value in variant["published"].items()}
    return {
        "test_UA": variant["UA"]["pooled"],
        "test_UA_low": low,
        "test_UA_high": high,
        "spread/UA_mean_of_folds": variant["UA"]["mean"],
        "spread/UA_std_of_folds": variant["UA"]["std"],
        "spread/UA_std_of_seeds": variant["over_seeds"]["UA"]["std"],
        "test_WA": variant["WA"]["pooled"],
        **{f"test_{name}": variant[name] for name in _POOLED},
        **{f"recall/{name}": recall for name, recall in variant["per_class_recall"].items()},
        **{f"published/{name}": value for name, value in published.items()},
        **(
            {
                f"published/{name}_difference": variant[name]["pooled"] - published[name]
                for name in ("UA", "WA")
                if name in published
            }
            if corpus == PUBLISHED_CORPUS
            else {}
        ),
    }


def _find(parent: Parent, fold: PlannedFold) -> tuple[Any, bool]:
    return get_or_create(
        parent.connection,
        parent.experiment,
        name=fold.variant,
        identity={BENCHMARK_TAG: parent.benchmark_id, KIND_TAG: "variant", "variant": fold.variant},
        tags={**variant_tags(fold), PARENT_TAG: parent.run_id},
    )


def _is_of_other_settings(run: Any, fold: PlannedFold) -> bool:  # noqa: ANN401 - mlflow's Run
    """Whether a setting differs that the run has: its process may have died before it had logged all of them."""
    ours = as_params(variant_params(fold))
    return any(ours.get(key) != value for key, value in run.data.params.items())


def _log_none_paper(parent: Parent, fold: PlannedFold, variant: Mapping[str, Any], *, run_id: str) -> None:
    """The figures of test-selected epochs, and how much better than the honest ones they look."""
    column = variant["none_paper"]
    with parent.connection.exclusive():
        run, _ = get_or_create(
            parent.connection,
            parent.experiment,
            name=f"none-paper of {fold.variant}",
            identity={BENCHMARK_TAG: parent.benchmark_id, KIND_TAG: "none-paper", "variant": fold.variant},
            tags={
                **variant_tags(fold),
                PARENT_TAG: run_id,
                "selection": str(NONE_PAPER),
                "promotable": promotable_tag(NONE_PAPER.promotable),
                NOTE_TAG: "What choosing the epoch on the test part would have claimed. It shows the bias of doing so.",
            },
        )
    figures = {f"test_selected_{name}": column[name]["pooled"] for name in ("UA", "WA")}
    bias = {f"bias_{name}": column["bias"][name]["pooled"] for name in ("UA", "WA")}
    log_figures(parent.connection, run, {**figures, **bias})
    parent.connection.call("set_terminated", run.info.run_id, status="FINISHED")

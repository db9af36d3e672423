"""The report page of a benchmark whose labels are scores."""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

from merflow.contracts.comparisons import ALPHA
from merflow.contracts.published import PublishedTable
from merflow.contracts.score_figures import FigureName
from merflow.contracts.score_results import ScoreComparison, ScoreResults
from merflow.contracts.task import SCALES
from merflow.evaluation.report import notes
from merflow.evaluation.report.html import rendered
from merflow.evaluation.report.learning import Histories, mean_epochs
from merflow.evaluation.report.model_figures import Inspections, embeddings, model_figures
from merflow.evaluation.report.origin import Origin
from merflow.evaluation.report.scores import classics as classic_tables
from merflow.evaluation.report.scores import tables, wording
from merflow.evaluation.report.scores.charts import (
    MAE,
    error_chart,
    mae_breakdown_chart,
    mae_by_fold_chart,
    mae_learning_charts,
    residual_chart,
    scatter_chart,
)
from merflow.evaluation.report.scores.paper_tables import score_paper_tables
from merflow.evaluation.report.scores.verdict import score_verdict
from merflow.evaluation.report.table import with_variant, without_variant

# Figures of the first table; the table of all figures has the others.
_LEADING: tuple[FigureName, ...] = ("CCC", "Pearson", "ACC7", "ACC2 has0", "ACC2 non0")
# Ends of the axis of MAE are multiples of this, in units of the scale.
_STEP = 0.1


def score_page(
    results: ScoreResults,
    *,
    origin: Origin,
    histories: Histories,
    papers: Sequence[PublishedTable],
    inspections: Inspections,
) -> str:
    """Return one self-contained HTML page.

    Args:
        results: Results of the benchmark.
        origin: Title, command and identity of the run.
        histories: Epochs per variant; optional for each variant.
        papers: The papers' own tables.
        inspections: Inspection of one training run per variant; optional for each variant.
    """
    task = SCALES[results.task]
    variants = [results.variants[name] for name in results.ranked]
    pairs = tables.comparisons(results)
    axis = _axis(results)
    everything = tables.leaderboard(results)
    return rendered(
        "scores/report.html.j2",
        results=results,
        origin=origin,
        alpha=ALPHA,
        verdict=score_verdict(results),
        leading=[name for name in _LEADING if name in results.figure_names],
        wording=wording,
        axis=axis,
        rows=[_row(name, results, axis=axis) for name in results.ranked],
        floors=[_floor_row(name, results, axis=axis) for name in results.floors],
        everything=everything,
        classics=classic_tables.classics(results),
        against_classics=classic_tables.against_classics(results),
        models=list(dict.fromkeys(name.partition(":")[0] for name in results.ranked)),
        rule=notes.selection_rule(results),
        one_rule=len({str(variant.training.selection) for variant in variants}) == 1,
        paper_note=wording.convention_of_papers([name.partition(":")[0] for name in results.ranked]),
        fold_count=len({fold.fold for variant in variants for fold in variant.folds}),
        pairs=pairs,
        with_best=pairs and with_variant(pairs, results.best),
        others=pairs and without_variant(pairs, results.best),
        matrix=_matrix(results),
        power=wording.power_note(results.power, results=results),
        bias=tables.epoch_choice(results),
        missing=tables.missing(results),
        papers=score_paper_tables(results, papers),
        by_fold=tables.by_fold(results),
        spread=mae_by_fold_chart(results),
        breakdowns=[(table, mae_breakdown_chart(results, kind)) for kind, table in tables.breakdowns(results)],
        predictions=[
            {
                "name": name,
                "scatter": scatter_chart(name, results.variants[name], results),
                "residuals": residual_chart(name, results.variants[name]),
                "errors": error_chart(name, results.variants[name]),
                "numbers": tables.residuals(results, name),
            }
            for name in results.ranked
        ],
        learning={
            name: (
                mae_learning_charts(name, histories.get(name, {}), results.variants[name]),
                mean_epochs(histories.get(name, {}), MAE),
            )
            for name in results.ranked
        },
        embeddings=embeddings(inspections, order=results.ranked, task=task),
        model_figures=model_figures(inspections, order=results.ranked, task=task),
    )


def _row(name: str, results: ScoreResults, *, axis: tuple[float, float]) -> dict[str, Any]:
    variant = results.variants[name]
    published = wording.published(name, variant, results)
    return {
        "name": name,
        "anchor": name.replace(":", "-"),
        "model": name.partition(":")[0],
        "variant": variant,
        "bar": _bar(variant.mae, variant.figures["MAE"].ci95, results, axis=axis),
        "published": published,
        "encoders": notes.encoders_in_words(variant.training),
        "remarks": wording.remarks(variant, results),
        "deviations": notes.deviations(variant.training),
    }


def _floor_row(name: str, results: ScoreResults, *, axis: tuple[float, float]) -> dict[str, Any]:
    score = results.floors[name]
    mae = score.values.get("MAE")
    return {
        "name": name,
        "floor": score,
        "mae": mae,
        "bar": None if mae is None else _bar(mae, score.mae_ci95, results, axis=axis),
    }


def _bar(
    mae: float, ends: tuple[float, float] | None, results: ScoreResults, *, axis: tuple[float, float]
) -> dict[str, str]:
    """Return the positions of interval, figure and floor on the axis, in percent of its length."""
    low, high = ends or (mae, mae)
    marks = {"low": low, "high": high, "at": mae, "chance": results.chance("MAE") or axis[1]}
    return {mark: f"{100 * (value - axis[0]) / (axis[1] - axis[0]):.1f}" for mark, value in marks.items()}


def _axis(results: ScoreResults) -> tuple[float, float]:
    """Return a common scale for the interval bars, with a margin at both ends."""
    measured = [(variant.mae, variant.figures["MAE"].ci95) for variant in results.variants.values()]
    constant = [(score.values.get("MAE"), score.mae_ci95) for score in results.floors.values()]
    figures = [value for mae, ends in (*measured, *constant) for value in (mae, *(ends or ())) if value is not None]
    return max(0.0, _STEP * floor(min(figures) / _STEP - 0.2)), _STEP * ceil(max(figures) / _STEP + 0.2)


def _matrix(results: ScoreResults) -> list[list[tuple[float, ScoreComparison] | None]]:
    """Return the MAE difference, row minus column, with its comparison, for every pair; None on the diagonal."""
    by_pair: dict[tuple[str, str], tuple[float, ScoreComparison]] = {}
    for pair in results.comparisons:
        by_pair[pair.a, pair.b] = pair.mae.delta, pair
        by_pair[pair.b, pair.a] = -pair.mae.delta, pair
    return [
        [None if row == column else by_pair[row, column] for column in results.ranked]
        for row in results.ranked
        if results.comparisons
    ]

"""The report page: one self-contained HTML file."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from merflow.contracts.comparisons import ALPHA, Comparison
from merflow.contracts.published import PublishedTable
from merflow.contracts.results import Results
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.contracts.scores import Accuracy, ClassicScore, Scored
from merflow.contracts.task import Classification
from merflow.evaluation.report import classics_tables, notes, tables
from merflow.evaluation.report.charts import UA, breakdown_chart, reliability_chart, spread_chart, ua_learning_charts
from merflow.evaluation.report.html import rendered
from merflow.evaluation.report.learning import Histories, mean_epochs
from merflow.evaluation.report.model_figures import Inspections, embeddings, model_figures
from merflow.evaluation.report.origin import Origin
from merflow.evaluation.report.paper_tables import paper_tables
from merflow.evaluation.report.scores.page import score_page
from merflow.evaluation.report.table import with_variant, without_variant
from merflow.evaluation.report.verdict import verdict
from merflow.storage.local import replacing


def write_report(
    results: AnyResults,
    path: Path,
    *,
    origin: Origin,
    histories: Histories,
    papers: Sequence[PublishedTable] = (),
    inspections: Inspections | None = None,
) -> None:
    """Write one self-contained HTML page.

    It loads nothing, and works offline, on a phone, in dark mode, in print and without JavaScript. Plotly is embedded,
    compressed to about 2 MB, at the end of the page so that text and tables load first.

    Args:
        results: Results of the benchmark.
        path: File to write.
        origin: Title, command and identity of the run.
        histories: Epochs per variant; optional for each variant.
        papers: The papers' own tables.
        inspections: Inspection of one training run per variant; optional for each variant.

    Raises:
        OutputError: The page cannot be written.
    """
    if isinstance(results, ScoreResults):
        page = score_page(results, origin=origin, histories=histories, papers=papers, inspections=inspections or {})
    else:
        page = rendered(
            "report.html.j2",
            results=results,
            origin=origin,
            alpha=ALPHA,
            verdict=verdict(results),
            **_tables(results, papers),
            **_drawings(results, histories, inspections or {}),
        )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")


def _tables(results: Results, papers: Sequence[PublishedTable]) -> dict[str, Any]:
    variants = [results.variants[name] for name in results.ranked]
    pairs = tables.comparisons(results)
    axis = _axis([*variants, *results.classics.values()], chance=variants[0].chance.ua)
    return {
        "axis": axis,
        "classics": [
            _classic_row(name, results.classics[name], axis=axis, chance=variants[0].chance.ua)
            for name in classics_tables.ranked_classics(results)
        ],
        "against_classics": classics_tables.against_classics(results),
        "text_leak": classics_tables.text_leak(results),
        "learned_leak": classics_tables.learned_leak(results),
        "rows": [_row(name, results, axis=axis) for name in results.ranked],
        "models": list(dict.fromkeys(name.partition(":")[0] for name in results.ranked)),
        "rule": notes.selection_rule(results),
        "one_rule": len({str(variant.training.selection) for variant in variants}) == 1,
        "published": any(variant.published for variant in variants),
        "fold_count": len({fold.fold for variant in variants for fold in variant.folds}),
        "pairs": pairs,
        "with_best": pairs and with_variant(pairs, results.best),
        "others": pairs and without_variant(pairs, results.best),
        "matrix": _matrix(results),
        "power": notes.power_note(results.power),
        "bias": tables.epoch_choice(results),
        "missing": tables.missing(results),
        "baselines": tables.baselines(results),
        "papers": paper_tables(results, papers),
    }


def _drawings(results: Results, histories: Histories, inspections: Inspections) -> dict[str, Any]:
    variants, order = results.variants, results.ranked
    return {
        "spread": spread_chart(results),
        "by_fold": tables.by_fold(results),
        "breakdowns": [(table, breakdown_chart(results, kind)) for kind, table in tables.breakdowns(results)],
        "reliability": [
            (name, variants[name], reliability_chart(name, variants[name].reliability))
            for name in order
            if variants[name].reliability
        ],
        "learning": {
            name: (
                ua_learning_charts(name, histories.get(name, {}), folds=variants[name].folds),
                mean_epochs(histories.get(name, {}), UA),
            )
            for name in order
        },
        "embeddings": embeddings(inspections, order=order, task=Classification(results.classes)),
        "model_figures": model_figures(inspections, order=order, task=Classification(results.classes)),
    }


def _row(name: str, results: Results, *, axis: tuple[float, float]) -> dict[str, Any]:
    variant = results.variants[name]
    return {
        "name": name,
        "anchor": name.replace(":", "-"),
        "model": name.partition(":")[0],
        "variant": variant,
        "bar": _bar(variant.ua, axis=axis, chance=variant.chance.ua),
        "published": notes.published(variant, results),
        "encoders": notes.encoders_in_words(variant.training),
        "deviations": notes.deviations(variant.training),
        "confusion": [[(count, 100 * count / max(sum(row), 1)) for count in row] for row in variant.confusion],
    }


def _classic_row(name: str, classic: ClassicScore, *, axis: tuple[float, float], chance: float) -> dict[str, Any]:
    return {"name": name, "classic": classic, "bar": _bar(classic.ua, axis=axis, chance=chance)}


def _bar(ua: Accuracy, *, axis: tuple[float, float], chance: float) -> dict[str, str]:
    """Return the positions of interval, figure and chance on the axis, in percent of its length."""
    low, high = ua.ci95 or (ua.pooled, ua.pooled)
    marks = {"low": low, "high": high, "at": ua.pooled, "chance": chance}
    return {mark: f"{100 * (value - axis[0]) / (axis[1] - axis[0]):.1f}" for mark, value in marks.items()}


def _axis(scores: Iterable[Scored], *, chance: float) -> tuple[float, float]:
    """Return a common scale for the interval bars, from the 5% step below all of their figures to the one above."""
    figures = [
        chance,
        *(value for score in scores for value in (score.ua.pooled, *(score.ua.ci95 or ()))),
    ]
    low, high = np.floor(20 * min(figures) - 0.2) / 20, np.ceil(20 * max(figures) + 0.2) / 20
    return max(float(low), 0.0), min(float(high), 1.0)


def _matrix(results: Results) -> list[list[tuple[float, Comparison] | None]]:
    """Return the UA difference, row minus column, with its comparison, for every pair; None on the diagonal."""
    by_pair: dict[tuple[str, str], tuple[float, Comparison]] = {}
    for pair in results.comparisons:
        by_pair[pair.a, pair.b] = pair.delta_ua, pair
        by_pair[pair.b, pair.a] = -pair.delta_ua, pair
    return [
        [None if row == column else by_pair[row, column] for column in results.ranked]
        for row in results.ranked
        if results.comparisons
    ]

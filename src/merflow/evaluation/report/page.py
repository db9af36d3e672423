"""What people read of a benchmark: one HTML page that needs nothing beside it."""

import base64
import gzip
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined

from merflow.contracts.numerals import (
    interval,
    p_value,
    percent,
    plural,
    signed,
    signed_interval,
    spread,
    training_name,
)
from merflow.contracts.presets import PublishedTable
from merflow.evaluation.report import notes, sheets
from merflow.evaluation.report.charts import (
    Histories,
    breakdown_chart,
    learning_charts,
    reliability_chart,
    spread_chart,
)
from merflow.evaluation.report.model_figures import Inspections, looks, maps
from merflow.evaluation.report.papers import paper_tables
from merflow.evaluation.report.verdict import verdict
from merflow.evaluation.results import ranked
from merflow.storage.local import replacing


def write_report(
    results: Mapping[str, Any],
    path: Path,
    *,
    title: str,
    histories: Histories,
    identity: Mapping[str, str],
    command: str,
    papers: Sequence[PublishedTable] = (),
    inspections: Inspections | None = None,
) -> None:
    """One self-contained HTML page: no request, readable offline, on a phone, in the dark, on paper and without script.

    Plotly is inside, packed: about 2 MB, at the end of the page so that words and tables come first.

    Args:
        results: As :func:`merflow.evaluation.results.summarise` gives them; what an earlier version did not compute is
            left out of the page.
        path: Where the page goes.
        title: Of the page.
        histories: Variant -> fold and seed -> rows of epoch, train_loss, dev_loss, dev_ua; a variant may lack them.
        identity: What the numbers stand on: corpus, hashes, encoders, commit; name -> value, in this order.
        command: What reproduces the run.
        papers: The papers' own tables.
        inspections: Variant -> what one of its folds showed of its model; a variant may lack it.

    Raises:
        OutputError: The page cannot be written.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, p_value=p_value, signed=signed, spread=spread)
    environment.filters.update(interval=interval, signed_interval=signed_interval)
    environment.globals.update(plural=plural)
    room = files("merflow.evaluation.report")
    page = environment.from_string((room / "report.html.j2").read_text(encoding="utf-8")).render(
        title=title,
        style=(room / "report.css").read_text(encoding="utf-8"),
        script=(room / "report.js").read_text(encoding="utf-8"),
        plotly=_packed_plotly(),
        results=results,
        identity=identity,
        command=command,
        alpha=sheets.ALPHA,
        verdict=verdict(results),
        **_tables(results, papers),
        **_drawings(results, histories, inspections or {}),
    )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")


@cache
def _packed_plotly() -> str:
    """Plotly's script, compressed (4.8 MB become 1.9 MB) and as base64; the same bytes every time."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), compresslevel=9, mtime=0)).decode()


def _tables(results: Mapping[str, Any], papers: Sequence[PublishedTable]) -> dict[str, Any]:
    variants = results["variants"]
    order = ranked(results)
    best = order[0]
    pairs = sheets.comparisons(results)
    axis = _axis(variants[name] for name in order)
    return {
        "axis": axis,
        "rows": [_row(name, variants[name], axis=axis) for name in order],
        "models": list(dict.fromkeys(name.partition(":")[0] for name in order)),
        "rule": notes.selection_rule(results),
        "one_rule": len({variants[name]["selection"] for name in order}) == 1,
        "published": any(variants[name]["published"] for name in order),
        "fold_count": len({fold["fold"] for name in order for fold in variants[name]["folds"]}),
        "pairs": pairs,
        "with_best": pairs and _only(pairs, best, there=True),
        "others": pairs and _only(pairs, best, there=False),
        "matrix": _matrix(results, order),
        "bias": sheets.epoch_choice(results),
        "lacking": sheets.missing(results),
        "baselines": sheets.baselines(results),
        "papers": paper_tables(results, papers),
    }


def _drawings(results: Mapping[str, Any], histories: Histories, inspections: Inspections) -> dict[str, Any]:
    variants, classes = results["variants"], results["classes"]
    order = ranked(results)
    return {
        "spread": spread_chart(results),
        "by_fold": sheets.by_fold(results),
        "breakdowns": [
            (sheet, breakdown_chart(results, sheet.key.removeprefix("by-"))) for sheet in sheets.breakdowns(results)
        ],
        "reliability": [
            (name, variants[name], reliability_chart(name, variants[name]["reliability"]))
            for name in order
            if variants[name].get("reliability")
        ],
        "learning": {
            name: (
                learning_charts(name, histories.get(name, {}), folds=variants[name]["folds"]),
                _mean_epochs(histories.get(name, {})),
            )
            for name in order
        },
        "maps": maps(inspections, order=order, classes=classes),
        "looks": looks(inspections, order=order, classes=classes),
    }


def _row(name: str, variant: Mapping[str, Any], *, axis: tuple[float, float]) -> dict[str, Any]:
    ends = variant["UA"]["ci95"]
    low, high = ends or (variant["UA"]["pooled"],) * 2
    places = {"low": low, "high": high, "at": variant["UA"]["pooled"], "chance": variant["chance"]["UA"]}
    return {
        "name": name,
        "anchor": name.replace(":", "-"),
        "model": name.partition(":")[0],
        "variant": variant,
        "bar": {key: f"{100 * (value - axis[0]) / (axis[1] - axis[0]):.1f}" for key, value in places.items()},
        "published": notes.published(variant["published"]),
        "stage_note": notes.stage_note(variant),
        "transcript_note": notes.transcript_note(variant),
        "confusion": [[(count, 100 * count / max(sum(row), 1)) for count in row] for row in variant["confusion"]],
        "folds": [{**fold, "name": training_name(fold)} for fold in variant["folds"]],
    }


def _axis(variants: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """A common scale for the interval bars: from the 5 % step below all that they show to the one above."""
    shown = [
        value
        for variant in variants
        for value in (variant["chance"]["UA"], variant["UA"]["pooled"], *(variant["UA"]["ci95"] or ()))
    ]
    low, high = np.floor(20 * min(shown) - 0.2) / 20, np.ceil(20 * max(shown) + 0.2) / 20
    return max(float(low), 0.0), min(float(high), 1.0)


def _only(pairs: sheets.Sheet, name: str, *, there: bool) -> sheets.Sheet | None:
    """The pairs that a variant is in, or all others; None where there is none."""
    kept = [place for place, row in enumerate(pairs.rows) if (name in row[:2]) == there]
    if not kept:
        return None
    strong = frozenset(new for new, place in enumerate(kept) if place in pairs.strong)
    rows = tuple(pairs.rows[place] for place in kept)
    key = pairs.key if there else f"{pairs.key}-others"
    return sheets.Sheet(key, pairs.title, pairs.note, pairs.columns, rows, strong=strong, left=pairs.left)


def _matrix(results: Mapping[str, Any], order: Sequence[str]) -> list[list[Mapping[str, Any] | None]]:
    """Row minus column: difference and adjusted p of every pair, None on the diagonal."""
    found = {(pair["a"], pair["b"]): pair for pair in results["comparisons"]}
    return [
        [
            None
            if row == column
            else {"delta": found[row, column]["delta_UA"], "p": found[row, column]["p_holm"]}
            if (row, column) in found
            else {"delta": -found[column, row]["delta_UA"], "p": found[column, row]["p_holm"]}
            for column in order
        ]
        for row in order
        if results["comparisons"]
    ]


def _mean_epochs(histories: Mapping[tuple[int, int], Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Each epoch's figures, mean over the trainings that reached it; None where one of them is no number."""
    by_epoch: dict[int, list[Mapping[str, Any]]] = {}
    for rows in histories.values():
        for row in rows:
            by_epoch.setdefault(int(row["epoch"]), []).append(row)
    return [
        {
            "epoch": epoch,
            "trainings": len(rows),
            **{figure: _mean([row[figure] for row in rows]) for figure in ("train_loss", "dev_loss", "dev_ua")},
        }
        for epoch, rows in sorted(by_epoch.items())
    ]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if np.isfinite(values).all() else None

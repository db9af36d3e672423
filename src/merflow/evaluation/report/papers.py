"""The papers' own tables, every row of them, with this run's figures in columns beside theirs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from merflow.contracts.numerals import DASH, percent
from merflow.contracts.presets import PublishedRow, PublishedTable
from merflow.evaluation.report.notes import where
from merflow.evaluation.report.sheets import Sheet

_METRICS = ("WA", "UA", "F1", "ACC7", "ACC2")
# MFDR reports F1 and ACC2 on another corpus, layer-adapter-fusion does not say which F1: both of ours are given.
_OURS: dict[str, Any] = {
    "WA": lambda variant, _: percent(variant["WA"]["pooled"]),
    "UA": lambda variant, _: percent(variant["UA"]["pooled"]),
    "F1": lambda variant, row: (
        "" if "mosei" in row.dataset else f"{percent(variant['macro_f1'])} / {percent(variant['weighted_f1'])}"
    ),
}


def paper_tables(results: Mapping[str, Any], papers: Sequence[PublishedTable]) -> list[Sheet]:
    """The tables of the papers whose models took part, every row of them, with this run's figures beside."""
    models = {name.partition(":")[0] for name in results["variants"]}
    return [_paper_table(results, table) for table in papers if table.model in models]


def _paper_table(results: Mapping[str, Any], table: PublishedTable) -> Sheet:
    metrics = [metric for metric in _METRICS if _any_has(table.rows, metric)]
    shared = {name: getattr(table.rows[0], name) for name in ("dataset", "protocol")}
    same = all(getattr(row, name) == value for row in table.rows for name, value in shared.items())
    columns = ["row", "inputs", *([] if same else ["paper's data"])]
    for metric in metrics:
        columns += [f"{metric}, paper", *([f"{metric}, ours"] if metric in _OURS else [])]
    decimals = max(len(f"{value:g}".partition(".")[2]) for row in table.rows for value in row.figures.values())
    noted = any(row.note for row in table.rows)
    rows = []
    for row in table.rows:
        variant = results["variants"].get(row.variant) if row.dataset.startswith("iemocap") else None
        cells = [row.variant.partition(":")[2], row.inputs, *([] if same else [f"{row.dataset}, {row.protocol}"])]
        for metric in metrics:
            cells.append(f"{row.figures[metric]:.{decimals}f}" if metric in row.figures else DASH)
            if metric in _OURS:
                cells.append("" if variant is None else _OURS[metric](variant, row))
        rows.append((*cells, *([row.note] if noted else [])))
    data = f"The paper's: {shared['dataset']}, {shared['protocol']}. " if same else ""
    return Sheet(
        f"paper-{table.model}-{table.number}",
        f"{table.model}, Table {table.number}",
        f"{table.paper.title} ({table.paper.venue}), Table {table.number}, with this run's column beside. {data}Ours: "
        f"{where(results)}; blank where not run. Corpora, encoders and the choice of the epoch may differ: read the "
        "two columns side by side, not as one ranking.",
        (*columns, *(["note"] if noted else [])),
        tuple(rows),
        strong=frozenset(n for n, row in enumerate(table.rows) if row.variant in results["variants"]),
        left=frozenset({0, 1, len(columns)} | ({2} if not same else set())),
    )


def _any_has(rows: Iterable[PublishedRow], metric: str) -> bool:
    return any(metric in row.figures for row in rows)

"""The papers' own tables, complete, with the figures of this run in columns beside theirs."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from merflow.contracts.numerals import DASH, percent
from merflow.contracts.presets import PublishedRow, PublishedTable
from merflow.contracts.results import Results
from merflow.contracts.scores import Variant
from merflow.evaluation.report.notes import deviations, where
from merflow.evaluation.report.tables import Table

_METRICS = ("WA", "UA", "F1", "ACC7", "ACC2")
# MFDR reports F1 and ACC2 on another corpus; layer-adapter-fusion does not say which F1 it reports, so both are given.
_THIS_RUN: Mapping[str, Callable[[Variant, PublishedRow], str]] = {
    "WA": lambda variant, _: percent(variant.wa.pooled),
    "UA": lambda variant, _: percent(variant.ua.pooled),
    "F1": lambda variant, row: (
        "" if "mosei" in row.dataset else f"{percent(variant.macro_f1)} / {percent(variant.weighted_f1)}"
    ),
}


def paper_tables(results: Results, papers: Sequence[PublishedTable]) -> list[Table]:
    """Return the tables of the papers whose models took part, with the figures of this run."""
    models = {name.partition(":")[0] for name in results.variants}
    return [_paper_table(results, table) for table in papers if table.model in models]


def _paper_table(results: Results, published: PublishedTable) -> Table:
    metrics = [metric for metric in _METRICS if _any_has(published.rows, metric)]
    first = published.rows[0]
    same_data = all((row.dataset, row.protocol) == (first.dataset, first.protocol) for row in published.rows)
    columns = ["Row", "Inputs", *([] if same_data else ["Paper's data"])]
    for metric in metrics:
        columns += [f"{metric}, paper", *([f"{metric}, this run"] if metric in _THIS_RUN else [])]
    decimals = max(len(f"{value:g}".partition(".")[2]) for row in published.rows for value in row.figures.values())
    measured = [results.variants[row.variant] for row in published.rows if row.variant in results.variants]
    has_notes = any(row.note for row in published.rows) or any(deviations(each.training) for each in measured)
    rows = []
    for row in published.rows:
        variant = results.variants.get(row.variant) if row.dataset.startswith("iemocap") else None
        cells = [row.variant.partition(":")[2], row.inputs, *([] if same_data else [f"{row.dataset}, {row.protocol}"])]
        for metric in metrics:
            cells.append(f"{row.figures[metric]:.{decimals}f}" if metric in row.figures else DASH)
            if metric in _THIS_RUN:
                cells.append("" if variant is None else _THIS_RUN[metric](variant, row))
        told = [] if variant is None else deviations(variant.training)
        rows.append((*cells, *(["; ".join(filter(None, [row.note, *told]))] if has_notes else [])))
    data = f" The paper used {first.dataset} with {first.protocol}." if same_data else ""
    return Table(
        f"paper-{published.model}-{published.number}",
        f"{published.model}, Table {published.number}",
        f"Table {published.number} of {published.paper.title} ({published.paper.venue}), with the figures of this run "
        f"on {where(results)}.{data} Cells are blank where a variant was not run. Corpora, encoders and the choice of "
        "epoch may differ, so do not read the two columns as one ranking.",
        (*columns, *(["Note"] if has_notes else [])),
        tuple(rows),
        bold=frozenset(index for index, row in enumerate(published.rows) if row.variant in results.variants),
        left=frozenset({0, 1, len(columns)} | ({2} if not same_data else set())),
    )


def _any_has(rows: Iterable[PublishedRow], metric: str) -> bool:
    return any(metric in row.figures for row in rows)

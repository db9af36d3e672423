"""The papers' own tables, complete, with the figures of this run in columns beside theirs."""

from collections.abc import Callable, Mapping, Sequence

from merflow.contracts.numerals import DASH, percent
from merflow.contracts.published import IEMOCAP4, METRICS, PublishedRow, PublishedTable
from merflow.contracts.results import Results
from merflow.contracts.scores import Variant
from merflow.evaluation.report.notes import deviations, where
from merflow.evaluation.report.tables import Table

# layer-adapter-fusion does not say which F1 it reports, so both are given.
_THIS_RUN: Mapping[str, Callable[[Variant], str]] = {
    "WA": lambda variant: percent(variant.wa.pooled),
    "UA": lambda variant: percent(variant.ua.pooled),
    "F1": lambda variant: f"{percent(variant.macro_f1)} / {percent(variant.weighted_f1)}",
}


def paper_tables(results: Results, papers: Sequence[PublishedTable]) -> list[Table]:
    """Return the tables of the papers whose models took part, with the figures of this run."""
    models = {name.partition(":")[0] for name in results.variants}
    return [_paper_table(results, table) for table in papers if table.model in models]


def _paper_table(results: Results, published: PublishedTable) -> Table:
    metrics = [metric for metric in METRICS if any(row.figure(metric) for row in published.rows)]
    tests = {row.first.test for row in published.rows}
    with_tests = len(tests) > 1
    columns = ["Row", "Inputs", *(["Paper's data"] if with_tests else [])]
    for metric in metrics:
        columns += [f"{metric}, paper", *([f"{metric}, this run"] if metric in _THIS_RUN else [])]
    decimals = _decimals(published)
    measured = [_measured(row, results) for row in published.rows]
    told = [_note(row, variant) for row, variant in zip(published.rows, measured, strict=True)]
    with_notes = any(told)
    rows = []
    for row, variant, note in zip(published.rows, measured, told, strict=True):
        cells = [row.variant.partition(":")[2], row.first.inputs, *([str(row.first.test)] if with_tests else [])]
        for metric in metrics:
            cells.append(_printed(row, metric, decimals=decimals))
            if metric in _THIS_RUN:
                cells.append("" if variant is None else _THIS_RUN[metric](variant))
        rows.append((*cells, *([note] if with_notes else [])))
    return Table(
        f"paper-{published.model}-{published.number}",
        f"{published.model}, Table {published.number}",
        f"Table {published.number} of {published.paper.title} ({published.paper.venue}), with the figures of this run "
        f"on {where(results)}.{'' if with_tests else f' The paper used {published.rows[0].first.test}.'} Cells are "
        "blank where a variant was not run, and in rows of another protocol. Corpora, encoders and the choice of epoch "
        "may differ, so do not read the two columns as one ranking.",
        (*columns, *(["Note"] if with_notes else [])),
        tuple(rows),
        bold=frozenset(index for index, variant in enumerate(measured) if variant is not None),
        left=frozenset({0, 1, len(columns)} | ({2} if with_tests else set())),
    )


def _measured(row: PublishedRow, results: Results) -> Variant | None:
    """Return this run's variant for a row on emotions under the run's protocol."""
    test = row.first.test
    same = test.protocol == results.protocol and test.corpus == (results.published_corpus or IEMOCAP4)
    return results.variants.get(row.variant) if same else None


def _note(row: PublishedRow, variant: Variant | None) -> str:
    """Join the paper's remark about a row and this run's deviations from the paper."""
    return "; ".join(filter(None, [row.first.note, *([] if variant is None else deviations(variant.training))]))


def _printed(row: PublishedRow, metric: str, *, decimals: int) -> str:
    figure = row.figure(metric)
    return DASH if figure is None else f"{figure.value:.{decimals}f}{'?' if figure.uncertain else ''}"


def _decimals(published: PublishedTable) -> int:
    """Return the decimals that the paper prints."""
    values = [figure.value for row in published.rows for figure in row.figures]
    return max(len(f"{value:g}".partition(".")[2]) for value in values)

"""The papers' own complete tables, with the figures of this run in columns next to theirs."""

from collections.abc import Callable, Mapping, Sequence

from merflow.contracts.numerals import DASH, percent
from merflow.contracts.presets import variant_of
from merflow.contracts.published import IEMOCAP4, METRICS, PublishedRow, PublishedTable
from merflow.contracts.results import Results
from merflow.contracts.scores import Variant
from merflow.evaluation.report.notes import deviations, encoders_in_words, where
from merflow.evaluation.report.table import Table

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
    columns.append("Encoders, this run")
    decimals = _decimals(published)
    measured = [(row, name) for row in published.rows for name in _names_of(row, results)]
    notes = [_note(row, results.variants.get(name)) for row, name in measured]
    rows = []
    for (row, name), note in zip(measured, notes, strict=True):
        variant = results.variants.get(name)
        shown = (row.variant if variant is None else name).partition(":")[2]
        cells = [shown, row.first.inputs, *([str(row.first.test)] if with_tests else [])]
        for metric in metrics:
            cells.append(_printed(row, metric, decimals=decimals))
            if metric in _THIS_RUN:
                cells.append("" if variant is None else _THIS_RUN[metric](variant))
        cells.append("" if variant is None else encoders_in_words(variant.training))
        rows.append((*cells, *([note] if any(notes) else [])))
    return Table(
        f"paper-{published.model}-{published.number}",
        f"{published.model}, Table {published.number}",
        f"Table {published.number} of {published.paper.title} ({published.paper.venue}), with the figures of this run "
        f"on {where(results)}.{'' if with_tests else f' The paper used {published.rows[0].first.test}.'} Cells are "
        "blank where a variant was not run, and in rows of another protocol. Corpora, encoders and the choice of epoch "
        "may differ, so do not read the two columns as one ranking.",
        (*columns, *(["Note"] if any(notes) else [])),
        tuple(rows),
        bold=frozenset(index for index, (_, name) in enumerate(measured) if name in results.variants),
        left=frozenset({0, 1, len(columns) - 1, len(columns)} | ({2} if with_tests else set())),
    )


def _names_of(row: PublishedRow, results: Results) -> list[str]:
    """Return the names under which this run has the row's variant, one per set of encoders.

    Only rows on emotions with the run's protocol have such names; for others, return one name that the run lacks.
    """
    test = row.first.test
    same = test.protocol == results.protocol and test.corpus == (results.published_corpus or IEMOCAP4)
    return [name for name in results.ranked if same and variant_of(name) == row.variant] or [""]


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

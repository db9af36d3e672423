"""The papers' own tables of sentiment, with the figures of this run in columns next to theirs."""

from collections.abc import Sequence

from merflow.contracts.numerals import DASH, percent
from merflow.contracts.presets import variant_of
from merflow.contracts.published import METRICS, MOSEI, PublishedRow, PublishedTable
from merflow.contracts.score_figures import counterpart
from merflow.contracts.score_results import ScoreResults
from merflow.evaluation.report.notes import deviations, encoders_in_words, where
from merflow.evaluation.report.scores.wording import convention_of_papers
from merflow.evaluation.report.table import Table


def score_paper_tables(results: ScoreResults, papers: Sequence[PublishedTable]) -> list[Table]:
    """Return the tables of sentiment in the papers whose models took part; none for another task."""
    if results.task != "sentiment":
        return []
    models = {name.partition(":")[0] for name in results.variants}
    tables = []
    for paper in papers:
        rows = [row for row in paper.rows if row.first.test.corpus == MOSEI]
        if paper.model in models and rows:
            tables.append(_table(results, paper, rows))
    return tables


def _table(results: ScoreResults, paper: PublishedTable, rows: Sequence[PublishedRow]) -> Table:
    metrics = [metric for metric in METRICS if any(row.figure(metric) for row in rows)]
    beside = {metric: counterpart(metric, model=paper.model) for metric in metrics}
    columns = ["Row", "Inputs"]
    for metric in metrics:
        own = beside[metric]
        columns += [f"{own or f'{metric} of unknown convention'}, paper", *([f"{own}, this run"] if own else [])]
    columns.append("Encoders, this run")
    measured = [(row, name) for row in rows for name in _names_of(row, results)]
    notes = [
        "; ".join(filter(None, [row.first.note, *(deviations(results.variants[name].training) if name else [])]))
        for row, name in measured
    ]
    cells = []
    for (row, name), note in zip(measured, notes, strict=True):
        variant = results.variants[name] if name else None
        line = [(name or row.variant).partition(":")[2], row.first.inputs]
        for metric in metrics:
            figure, read_beside = row.figure(metric), beside[metric]
            line.append(DASH if figure is None else figure.text)
            if read_beside is not None:
                line.append("" if variant is None else percent(variant.figures[read_beside].pooled))
        line.append("" if variant is None else encoders_in_words(variant.training))
        cells.append((*line, *([note] if any(notes) else [])))
    return Table(
        f"paper-{paper.model}-{paper.number}",
        f"{paper.model}, Table {paper.number}",
        f"The rows on {rows[0].first.test} of Table {paper.number} of {paper.paper.title} ({paper.paper.venue}), with "
        f"the figures of this run on {where(results)}. Percent. {convention_of_papers([paper.model])} Cells are blank "
        "where a variant was not run. Corpora, encoders and the choice of epoch may differ, so do not read the two "
        "columns as one ranking.",
        (*columns, *(["Note"] if any(notes) else [])),
        tuple(cells),
        bold=frozenset(index for index, (_, name) in enumerate(measured) if name),
        left=frozenset({0, 1, len(columns) - 1, len(columns)}),
    )


def _names_of(row: PublishedRow, results: ScoreResults) -> list[str]:
    """Return the names under which this run has the row's variant, one per set of encoders; ``[""]`` for none."""
    return [name for name in results.ranked if variant_of(name) == row.variant] or [""]

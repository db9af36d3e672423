"""The table of a matrix of corpora that the command prints."""

from rich.table import Table

from merflow.contracts.corpus_matrix import CorpusMatrix
from merflow.contracts.terminal_table import lineless_table
from merflow.evaluation.report.matrix.wording import interval_text, split_of, statements, value_text


def matrix_table(matrix: CorpusMatrix) -> Table:
    """Return the figure of every variant, training corpus and tested corpus, with its interval and splits."""
    unit = "Percent" if matrix.figure == "UA" else "Concordance correlation"
    table = lineless_table(" ".join([f"{unit}. Intervals are 95% over dialogues.", *statements(matrix)]))
    for name in ("variant", "trained on", "tested on"):
        table.add_column(name, no_wrap=True)
    for name in (matrix.figure, "interval", "utterances"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("splits")
    for variant in matrix.variants:
        for cell in matrix.cells:
            figure = cell.figures[variant]
            table.add_row(
                variant,
                cell.corpora.train.name,
                cell.corpora.test.name,
                value_text(matrix, figure),
                interval_text(matrix, figure),
                f"{cell.utterances:,}",
                split_of(cell),
            )
    return table

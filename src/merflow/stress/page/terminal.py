"""The table that ``merflow stress`` prints."""

from rich.table import Table

from merflow.contracts.stress_results import StressRun
from merflow.contracts.terminal_table import lineless_table
from merflow.stress.page.numbers import condition_numbers
from merflow.stress.page.verdict import stress_verdict
from merflow.stress.page.wording import wording_of


def conditions_table(results: StressRun) -> Table:
    """Return the conditions in the order of the suite, with the verdict below them."""
    verdict, numbers = stress_verdict(results), condition_numbers(results)
    said = " ".join((f"{verdict.headline}.", *verdict.sentences))
    table = lineless_table(f"{wording_of(results).table} {said}")
    table.add_column("condition", no_wrap=True)
    for head in numbers.heads:
        table.add_column(head if head[:2].isupper() else head[0].lower() + head[1:], justify="right", no_wrap=True)
    table.add_column("")
    for row in numbers.rows:
        table.add_row(row.name, *row.cells, "" if row.passed else "fails", style="" if row.passed else "bold")
    return table

"""The table that ``merflow stress`` prints."""

from rich.table import Table

from merflow.contracts.numerals import percent, signed, signed_interval
from merflow.contracts.stress_results import StressResults
from merflow.stress.page.verdict import stress_verdict


def conditions_table(results: StressResults) -> Table:
    """Return the conditions in the order of the suite, with the verdict below them."""
    verdict = stress_verdict(results)
    said = " ".join((f"{verdict.headline}.", *verdict.sentences))
    table = Table(
        box=None, pad_edge=False, caption=f"Percent and percentage points of UA. {said}", caption_justify="left"
    )
    table.add_column("condition", no_wrap=True)
    for name in ("UA", "change", "95% interval", "may fall by", "unchanged", "at least"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for result in results.conditions:
        table.add_row(
            result.name,
            percent(result.ua),
            signed(result.delta_ua),
            signed_interval(result.ci95),
            percent(result.allowed_drop),
            percent(result.unchanged),
            percent(result.min_unchanged),
            "" if result.passed else "fails",
            style="" if result.passed else "bold",
        )
    return table

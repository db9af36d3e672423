"""The checks as a table for the terminal."""

from rich.table import Table

from merflow.contracts.drift_results import DriftResults
from merflow.contracts.numerals import decimal, p_value, percent


def checks_table(results: DriftResults) -> Table:
    """Return one row per check."""
    table = Table(title=f"{results.model} version {results.version}: {results.clips:,} clips", title_justify="left")
    table.add_column("check")
    for name in ("reference", "window", "PSI", "energy", "adjusted p"):
        table.add_column(name, justify="right")
    table.add_column("result")
    for number in results.numbers:
        unit = f" {number.unit}" if number.unit and number.unit != "share" else ""
        was, now = (f"{values.quantiles[2]:.4g}{unit}" for values in (number.reference, number.window))
        distances = (f"{number.psi:.3f}", f"{number.energy:.3f}")
        table.add_row(f"{number.title} (median)", was, now, *distances, p_value(number.adjusted), _said(number.drifted))
    if results.shares is not None:
        shares = results.shares
        table.add_row(shares.title, "", "", f"{shares.psi:.3f}", "", p_value(shares.adjusted), _said(shares.drifted))
    for rate in results.rates:
        was, now = f"{percent(rate.reference)}%", f"{percent(rate.window)}%"
        table.add_row(rate.title, was, now, "", "", p_value(rate.adjusted), _said(rate.drifted))
    if results.error is not None:
        error = results.error
        was, now = decimal(error.reference), decimal(error.window)
        table.add_row(error.title, was, now, "", "", p_value(error.adjusted), _said(error.drifted))
    return table


def _said(drifted: bool) -> str:
    return "drift" if drifted else "no drift"

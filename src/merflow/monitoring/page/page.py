"""The page of a comparison: one self-contained HTML file."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from merflow.contracts.drift_results import DriftResults
from merflow.contracts.numerals import decimal, decimal_interval, interval, p_value, percent, plural, signed
from merflow.evaluation.drift import ENERGY_LIMIT, PSI_LIMIT
from merflow.monitoring.checks import ERROR_GAP, FEWEST_LABELS
from merflow.monitoring.page.pictures import histogram, ticks
from merflow.monitoring.verdict import drift_verdict
from merflow.storage.local import replacing

PAGE = "monitor.html"


def write_page(results: DriftResults, path: Path, *, command: str) -> Path:
    """Write one self-contained HTML page, without any script; it looks like a benchmark's report.

    Args:
        results: The comparison.
        path: File to write.
        command: Command that repeats it.

    Returns:
        ``path``.

    Raises:
        OutputError: The page cannot be written.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, signed=signed, interval=interval, p_value=p_value)
    environment.filters.update(decimal=decimal, decimal_interval=decimal_interval)
    environment.globals.update(plural=plural, histogram=histogram, ticks=ticks)
    room, report = files("merflow.monitoring.page"), files("merflow.evaluation.report")
    page = environment.from_string((room / "monitor.html.j2").read_text(encoding="utf-8")).render(
        style=(report / "report.css").read_text(encoding="utf-8") + (room / "monitor.css").read_text(encoding="utf-8"),
        results=results,
        verdict=drift_verdict(results),
        command=command,
        psi_limit=PSI_LIMIT,
        energy_limit=ENERGY_LIMIT,
        fewest_labels=FEWEST_LABELS,
        error_gap=ERROR_GAP,
    )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
    return path

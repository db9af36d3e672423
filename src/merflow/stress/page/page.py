"""The page of the suite: one HTML file that needs nothing beside it."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from merflow.contracts.numerals import interval, percent, plural, signed, signed_interval
from merflow.contracts.stress_results import StressResults
from merflow.storage.local import replacing
from merflow.stress.page.plots import drops_plot, group_plots, unchanged_plot
from merflow.stress.page.spectrograms import pictures
from merflow.stress.page.verdict import stress_verdict
from merflow.stress.scoring import ALLOWED_GAP, RESAMPLES
from merflow.stress.thresholds import LEVEL, SIMULATIONS


def write_page(results: StressResults, path: Path, *, command: str) -> Path:
    """Write one self-contained HTML page, without any script; it looks like a benchmark's report.

    Args:
        results: Results of the suite.
        path: File to write.
        command: Command that repeats the suite.

    Returns:
        ``path``.

    Raises:
        OutputError: The page cannot be written.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, signed=signed, interval=interval, signed_interval=signed_interval)
    environment.globals.update(plural=plural)
    room, report = files("merflow.stress.page"), files("merflow.evaluation.report")
    page = environment.from_string((room / "stress.html.j2").read_text(encoding="utf-8")).render(
        style=(report / "report.css").read_text(encoding="utf-8") + (room / "stress.css").read_text(encoding="utf-8"),
        results=results,
        verdict=stress_verdict(results),
        drops=drops_plot(results),
        unchanged=unchanged_plot(results),
        groups=group_plots(results),
        pictures=pictures([result.name for result in results.conditions]),
        command=command,
        level=LEVEL,
        simulations=SIMULATIONS,
        resamples=RESAMPLES,
        allowed_gap=ALLOWED_GAP,
    )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
    return path

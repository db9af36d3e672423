"""The page of the suite: one self-contained HTML file."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from merflow.contracts.numerals import decimal, percent, plural
from merflow.contracts.stress_results import ScoreStressResults, StressRun
from merflow.storage.local import replacing
from merflow.stress.page.numbers import condition_numbers, group_numbers
from merflow.stress.page.plots import drops_plot, group_plots, shift_plot, unchanged_plot
from merflow.stress.page.spectrograms import pictures
from merflow.stress.page.verdict import stress_verdict
from merflow.stress.page.wording import wording_of
from merflow.stress.scoring import RESAMPLES
from merflow.stress.thresholds import LEVEL, SIMULATIONS


def write_page(results: StressRun, path: Path, *, command: str) -> Path:
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
    environment.filters.update(percent=percent, decimal=decimal)
    environment.globals.update(plural=plural)
    room, report = files("merflow.stress.page"), files("merflow.evaluation.report")
    page = environment.from_string((room / "stress.html.j2").read_text(encoding="utf-8")).render(
        style=(report / "report.css").read_text(encoding="utf-8") + (room / "stress.css").read_text(encoding="utf-8"),
        results=results,
        verdict=stress_verdict(results),
        words=wording_of(results),
        drops=drops_plot(results),
        shifts=shift_plot(results) if isinstance(results, ScoreStressResults) else None,
        unchanged=unchanged_plot(results),
        groups=group_plots(results),
        conditions=condition_numbers(results),
        compared=group_numbers(results),
        pictures=pictures([result.name for result in results.conditions]),
        command=command,
        level=LEVEL,
        simulations=SIMULATIONS,
        resamples=RESAMPLES,
    )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
    return path

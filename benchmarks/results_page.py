"""The page of measurements: ``RESULTS.md``, generated from ``results/``."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.quality_tables import QUALITY
from benchmarks.record import ON_GPU, RESULTS, Result, read_result
from benchmarks.speed_tables import SPEED
from benchmarks.use_tables import USE

PAGE = Path(__file__).with_name("RESULTS.md")
_INTRODUCTION = """\
# Measurements

`make bench` repeats every measurement on this page and `python -m benchmarks.results_page` writes the page from
`benchmarks/results/`. No figure here is typed by hand. Nothing was measured on IEMOCAP{or_gpu} or on a cluster.

How to read the quality figures:

- They use the `lite` profile, which has no pretrained network.
- The figures by modality, EmoDB's presets and the tuning were recorded with earlier `lite` encoders: statistics of
  log-mel bands and fewer columns for words. Do not compare them with runs of today's `lite`.
- The earlier `lite` was chosen on EmoDB's development figures while its test figures were in view. Today's was chosen
  on the training parts of EmoDB's folds and on development data of MELD. Each speaker of EmoDB is tested in one fold
  and trains the others. Read EmoDB's figures as slightly optimistic.
- In the tuning table, the development speakers of folds 1 and 2 are test speakers of other folds (24% of the tested
  utterances). The search has therefore seen part of the data behind the tuned test figures.
- The synthetic corpus exists to test the machinery. Its figures say nothing about real speech.
"""


def rendered() -> str:
    """Return the whole page as Markdown."""
    introduction = _INTRODUCTION.format(or_gpu="" if list(RESULTS.glob(f"*{ON_GPU}.json")) else ", on a GPU")
    sections = (("Quality", QUALITY), ("Speed and memory", SPEED), ("Models in use", USE))
    return "\n".join([introduction, *(line for heading, tables in sections for line in _section(heading, tables))])


def _section(heading: str, tables: Mapping[str, Callable[[Result], str]]) -> list[str]:
    recorded = [(table, read_result(name + suffix)) for name, table in tables.items() for suffix in ("", ON_GPU)]
    parts = [table(result) for table, result in recorded if result is not None]
    return [f"## {heading}\n", *parts] if parts else []


def main() -> None:
    """Write the page."""
    PAGE.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()

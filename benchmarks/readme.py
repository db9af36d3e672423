"""Writes the README's tables from ``results/``; the text around them is written by people."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.quality_tables import QUALITY
from benchmarks.record import ON_GPU, Result, read_result
from benchmarks.speed_tables import SPEED

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->\n"


def rendered() -> str:
    """The README with its tables renewed."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.partition(END)[2]}"


def tables() -> str:
    """All tables as Markdown, from the results that are there."""
    return "\n".join([*_under("How well", QUALITY), *_under("How fast", SPEED)])


def _under(heading: str, kinds: Mapping[str, Callable[[Result], str]]) -> list[str]:
    found = [(table, read_result(name + where)) for name, table in kinds.items() for where in ("", ON_GPU)]
    parts = [table(result) for table, result in found if result is not None]
    return [f"### {heading}\n", *parts] if parts else []


def main() -> None:
    """Renews the README in place."""
    README.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()

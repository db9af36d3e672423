"""The papers' own figures, read from ``published.csv``; each line is one system in a table on one test."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from merflow.contracts.published import METRICS, Paper, PublishedFigure, PublishedRow, PublishedTable
from merflow.contracts.strict import parse

_FILE = "published.csv"


class _Line(NamedTuple):
    """One line of the file with the table that it belongs to."""

    model: str
    table: str
    row: PublishedRow


def figures_of(variant: str) -> tuple[PublishedFigure, ...]:
    """Return every figure that the paper reports for a system (``model:preset``), in the order of the file."""
    return tuple(figure for line in _lines() if line.row.variant == variant for figure in line.row.figures)


def tables_of(papers: Mapping[str, Paper]) -> tuple[PublishedTable, ...]:
    """Return the papers' tables whose rows are presets, in the papers' order of tables and rows.

    Args:
        papers: The paper of each model.
    """
    tables: dict[tuple[str, str], list[PublishedRow]] = {}
    for line in _lines():
        tables.setdefault((line.model, line.table), []).append(line.row)
    return tuple(
        PublishedTable(model, papers[model], number, tuple(rows)) for (model, number), rows in sorted(tables.items())
    )


@cache
def _lines() -> tuple[_Line, ...]:
    text = (files("merflow.presets") / _FILE).read_text(encoding="utf-8")
    return tuple(_line(cells, number) for number, cells in enumerate(csv.DictReader(text.splitlines()), start=2))


def _line(cells: dict[str, str], number: int) -> _Line:
    shared = {name: cells[name] for name in ("corpus", "protocol", "table", "inputs", "note")}
    figures = tuple(
        parse(
            PublishedFigure,
            {"metric": metric, "value": float(cells[metric]), "uncertain": cells["uncertain"] == "yes", **shared},
            where=f"{_FILE}, line {number}",
        )
        for metric in METRICS
        if cells[metric]
    )
    return _Line(cells["model"], cells["table"], PublishedRow(f"{cells['model']}:{cells['preset']}", figures))

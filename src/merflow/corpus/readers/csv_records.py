"""Rows of a CSV file as text cells with their line number, so that every error can name its position."""

import math
from collections.abc import Iterator
from csv import Error as CsvError
from csv import reader
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from merflow.contracts.protocols import Part
from merflow.errors import CorpusError, nearest

# The words for the parts of a corpus's own split.
PARTS: dict[str, Part] = {
    **{"train": "train", "training": "train", "test": "test", "testing": "test"},
    **dict.fromkeys(("dev", "development", "val", "valid", "validation"), "dev"),
}
_LISTED = 20  # kinds of problem in one message


@dataclass(frozen=True)
class Record:
    """One row of a file.

    Attributes:
        path: The file.
        line: Line on which the row starts, from 1.
        cells: Cells that are not empty, by column, without surrounding spaces.
        key: Columns that name the row.
    """

    path: Path
    line: int
    cells: dict[str, str]
    key: tuple[str, ...] = ("utterance_id",)

    @property
    def where(self) -> str:
        """Position of the row, for messages."""
        name = " ".join(self.cells.get(column, f"no {column}") for column in self.key)
        return f"{self.path} line {self.line} ({name})"

    def number(self, column: str) -> float | None:
        """Return a cell as a number; None if it is empty.

        Raises:
            CorpusError: The cell is not a finite number.
        """
        if column not in self.cells:
            return None
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise CorpusError(
                f"{self.where}: {column} {self.cells[column]!r} is not a number; leave unknown cells empty"
            )
        return value

    def choice(self, column: str, words: dict[str, Any]) -> Any:  # noqa: ANN401 - a value of `words`
        """Return the value of a cell's word, in upper or lower case; None if the cell is empty.

        Raises:
            CorpusError: The word is not among ``words``.
        """
        if column not in self.cells:
            return None
        word = self.cells[column].lower()
        if word not in words:
            raise CorpusError(f"{self.where}: {column} {self.cells[column]!r} is unknown; {nearest(word, words)}")
        return words[word]


def read_records(path: Path, *, key: tuple[str, ...] = ("utterance_id",)) -> tuple[list[str], list[Record]]:
    """Read the column names and the rows of a comma-separated UTF-8 file with a header line.

    Args:
        path: The file.
        key: Columns that name a row, for messages.

    Raises:
        CorpusError: The file is missing, empty, not UTF-8 or malformed, or a row has more or fewer cells than the
            header.
    """
    lines = _lines(_read_text(path), path=path)
    _, header = next(lines)
    columns = [name.strip() for name in header]
    _check_header(columns, path=path)
    records = []
    for line, cells in lines:
        if len(cells) != len(columns):
            raise CorpusError(
                f"{path} line {line}: {len(cells)} cells under {len(columns)} columns; "
                "put quotes around a text that contains a comma"
            )
        stripped = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
        records.append(Record(path, line, {column: cell for column, cell in stripped.items() if cell}, key))
    if not records:
        raise CorpusError(f"{path} has a header but no utterance; add a row for each")
    return columns, records


def listed(problems: dict[str, list[Record]], *, rows: int) -> str:
    """Return the problems of all rows as one message, listing equal problems once with their records in order."""
    lines = []
    for problem, records in list(problems.items())[:_LISTED]:
        others = f" and {len(records) - 1} more" if len(records) > 1 else ""
        lines.append(f"{records[0].where}{others}: {problem}")
    if len(lines) == 1:
        return lines[0]
    bad = sum(len(records) for records in problems.values())
    rest = [f"and {len(problems) - _LISTED} more kinds of problem"] if len(problems) > _LISTED else []
    return "\n  ".join([f"{bad} of {rows} rows are wrong", *lines, *rest])


def _check_header(columns: list[str], *, path: Path) -> None:
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
        raise CorpusError(f"{path} is not separated by commas: its header is {columns[0]!r}; save it with commas")
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise CorpusError(f"{path}: columns {', '.join(repeated)} appear twice; keep one of each")


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise CorpusError(f"{path} is a folder; pass the CSV file of utterances in it")
    if not path.is_file():
        raise CorpusError(f"no such file: {path}; pass a CSV file of utterances with --root")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = len(content) - len(error.object) + error.start  # the codec counts from after a byte order mark
        line = content.count(b"\n", 0, start) + 1
        raise CorpusError(
            f"{path} is not UTF-8: byte 0x{content[start]:02x} at position {start}, line {line} (Latin-1, or another "
            "encoding); save the file as UTF-8"
        ) from error
    if not text.strip():
        raise CorpusError(f"{path} is empty; its first line must name the columns")
    return text


def _lines(text: str, *, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line number of each row, from 1, and its cells; skip blank lines."""
    rows = reader(StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in rows:
            if cells:
                yield start, cells
            start = rows.line_num + 1
    except CsvError as error:
        raise CorpusError(
            f"{path} line {start} is malformed ({error}); check for a quote that is not closed"
        ) from error

"""Utterances whose input could not be read or encoded: set aside with the reason, while the others go on."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from merflow.errors import FeatureError
from merflow.storage.local import replacing


class SetAside(NamedTuple):
    """One utterance that a stream lacks although the corpus has an input for it."""

    utterance_id: str
    role: str
    reason: str


def quarantine_beside(features: Path) -> Path:
    """Where the list for a ``features.json`` is: ``features.quarantine.csv``."""
    return features.with_suffix(".quarantine.csv")


def write_quarantine(path: Path, found: Iterable[SetAside]) -> int:
    """Writes the list and returns its length; an empty list leaves no file.

    Raises:
        OutputError: The folder is read-only, the disk full.
    """
    rows = sorted(found)
    if not rows:
        path.unlink(missing_ok=True)
        return 0
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(SetAside._fields)
        lines.writerows(rows)
    return len(rows)


def read_quarantine(path: Path) -> list[SetAside]:
    """What :func:`write_quarantine` wrote; nothing where there is no file.

    Raises:
        FeatureError: The file is another kind of table.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if tuple(header) != SetAside._fields:
        raise FeatureError(
            f"{path} is no quarantine list: it has columns {', '.join(header)}, expected "
            f"{', '.join(SetAside._fields)}; remove it and extract again"
        )
    return [SetAside(*row) for row in rows]

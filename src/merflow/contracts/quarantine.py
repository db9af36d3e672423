"""The list of utterances whose input could not be read or encoded, written next to ``features.json``."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from merflow.errors import FeatureError
from merflow.storage.local import replacing


class QuarantinedInput(NamedTuple):
    """An utterance without features for a role, although the corpus has an input for it."""

    utterance_id: str
    role: str
    reason: str


def quarantine_beside(features: Path) -> Path:
    """Return the path of the list that belongs to a ``features.json``: ``features.quarantine.csv``."""
    return features.with_suffix(".quarantine.csv")


def write_quarantine(path: Path, quarantined: Iterable[QuarantinedInput]) -> int:
    """Write the list and return its length; an empty list leaves no file.

    Raises:
        OutputError: The folder is read-only or the disk is full.
    """
    rows = sorted(quarantined)
    if not rows:
        path.unlink(missing_ok=True)
        return 0
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(QuarantinedInput._fields)
        lines.writerows(rows)
    return len(rows)


def read_quarantine(path: Path) -> list[QuarantinedInput]:
    """Read a list that :func:`write_quarantine` wrote; a missing file is an empty list.

    Raises:
        FeatureError: The file is another kind of table.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    if tuple(header) != QuarantinedInput._fields:
        raise FeatureError(
            f"{path} is not a quarantine list: it has columns {', '.join(header)}, expected "
            f"{', '.join(QuarantinedInput._fields)}; remove it and extract again"
        )
    return [QuarantinedInput(*row) for row in rows]

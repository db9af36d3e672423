"""The run's copies of the user's own files, presets and encoder profile, named by their digests.

With them, a run can be continued, reported, compared and explained even if the user's files have changed or are gone.
"""

from pathlib import Path
from typing import Literal

from merflow.storage.local import digest, replacing

Kind = Literal["presets", "profile"]

_FOLDER = "carried"


def carry(run: Path, kind: Kind, text: str) -> None:
    """Copy the text of a user's file into a run's folder; earlier copies of other texts stay.

    Raises:
        OutputError: The folder cannot be written.
    """
    path = run / _FOLDER / f"{kind}-{digest(text)}.yaml"
    if not text.strip() or path.is_file():
        return
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def carried(run: Path, kind: Kind) -> Path | None:
    """Return the run's newest copy of this kind; None if it has none."""
    copies = (run / _FOLDER).glob(f"{kind}-*.yaml")
    return max(copies, key=lambda path: path.stat().st_mtime_ns, default=None)


def given_or_carried(given: Path, run: Path, kind: Kind) -> Path:
    """Return the file that the user names or, if it is gone, the run's copy."""
    copy = None if given.expanduser().exists() else carried(run, kind)
    return given if copy is None else copy

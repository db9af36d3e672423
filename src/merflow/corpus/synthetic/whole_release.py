"""The frame of every generated release: its size and seed, and a folder that appears whole or not at all."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from merflow.corpus.synthetic.identity import SYNTHETIC_MARK, is_present
from merflow.errors import CorpusError, nearest
from merflow.storage.local import replacing_folder, write_json

SizeName = TypeVar("SizeName", bound=str)


def checked_size(size: str, sizes: Sequence[SizeName], *, seed: int, of: str) -> SizeName:
    """Return the size.

    Args:
        size: Name of the size.
        sizes: The sizes that there are.
        seed: Seed of the release.
        of: The kind of release in words, for the error.

    Raises:
        CorpusError: The size is unknown or the seed is below 0.
    """
    known = next((each for each in sizes if each == size), None)
    if known is None:
        raise CorpusError(f"unknown size {size!r} of {of}; {nearest(size, sizes)}")
    if seed < 0:
        raise CorpusError(f"the seed of a synthetic release is 0 or more, not {seed}")
    return known


def kept_or_written(out: Path, identity: dict[str, Any], write: Callable[[Path], None]) -> str:
    """Write a release unless the same one is there, and return a note about that for people.

    Args:
        out: Root of the release; must be absent, empty or the same release.
        identity: Everything that decides its bytes.
        write: Writes the release into an empty folder.

    Raises:
        OutputError: The folder holds something else, is read-only, or the disk is full.
    """
    if is_present(out, identity):
        return " (already there)"
    with replacing_folder(out) as part:
        write(part)
        write_json(part / SYNTHETIC_MARK, identity)
    return ""


def processes(size: str, workers: int | None) -> int:
    """Return the number of processes that write a release: by default one per core, and a single one for ``tiny``."""
    return workers or (1 if size == "tiny" else os.cpu_count() or 1)

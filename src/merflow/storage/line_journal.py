"""A journal of JSON objects, one per line, safe if the process is killed at any point.

Objects that belong together are written in one piece. A killed process may leave a torn line at the end; the next
writer ends that line, and readers skip it. One process at a time may have a journal open.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from merflow.errors import MerflowError
from merflow.storage.local import output_errors


class LineJournal:
    """An open journal.

    Attributes:
        entries: The objects that it held when it was opened, in order.
    """

    def __init__(self, file: BinaryIO, *, path: Path) -> None:
        file.seek(0)
        content = file.read()
        self._file = file
        self._path = path
        self._torn = bool(content) and not content.endswith(b"\n")
        self.entries: tuple[Any, ...] = tuple(_entries(content))

    def add(self, entries: Sequence[Any]) -> None:
        """Write objects; they are on the disk when this returns.

        Raises:
            OutputError: The disk is full.
        """
        lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
        block = ("\n" if self._torn else "") + "".join(f"{line}\n" for line in lines)
        with output_errors(self._path):
            self._file.write(block.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        self._torn = False


@contextmanager
def open_line_journal(path: Path, *, busy: MerflowError) -> Iterator[LineJournal]:
    """Open the journal at ``path``, and make the file if it is missing.

    Args:
        path: The file.
        busy: The error to raise if another process has the journal open.

    Raises:
        MerflowError: ``busy``.
        OutputError: The journal cannot be written.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        yield LineJournal(file, path=path)


def _entries(content: bytes) -> Iterator[Any]:
    for line in content.split(b"\n"):
        try:
            yield json.loads(line)
        except ValueError:  # empty, or torn by a killed process
            continue

"""A cache on local disk for single files of published folders, of limited size, which several processes may share.

    <folder>/<sha256>          a file, read by any number of processes
    <folder>/locks/<sha256>    locked by the process that downloads it, and as long as the file will be
    <folder>/locks/all         locked while somebody makes room

All locks are those of the kernel, so that they end with their process.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from merflow.errors import StorageError
from merflow.storage.local import output_errors
from merflow.storage.s3.parallel import Tally
from merflow.storage.s3.stored_files import StoredFile
from merflow.storage.s3.transfers import Transfers

_ALL = "all"


class FileCache:
    """A folder with the files that were used last.

    Args:
        folder: The folder on a local disk; it is made if needed.
        max_bytes: Limit of all files together, with those that are being downloaded.
        transfers: Connection and patience.
    """

    def __init__(self, folder: Path, *, max_bytes: int, transfers: Transfers) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._transfers = transfers
        with output_errors(folder):
            (folder / "locks").mkdir(parents=True, exist_ok=True)

    @contextmanager
    def opened(self, stored: StoredFile) -> Iterator[Path]:
        """Yield the path of a file, which is downloaded if needed and stays until the block ends.

        Args:
            stored: A file of a published folder.

        Raises:
            StorageError: The file cannot be read, or files in use leave no room for it.
            OutputError: The folder is read-only or the disk is full.
        """
        entry = self._folder / stored.sha256
        file = _shared(entry)
        while file is None:
            self._bring(stored, entry)
            file = _shared(entry)  # None if somebody has deleted it at once to make room
        with file:
            os.utime(entry)  # the order of deletion
            yield entry

    def _bring(self, stored: StoredFile, entry: Path) -> None:
        """Download a file, or wait until another process or thread has done so."""
        with output_errors(entry), self._lock(stored.sha256) as reservation:
            if entry.exists():
                return
            with self._lock(_ALL):
                self._make_room(stored)
                reservation.truncate(stored.size)
            try:
                self._transfers.download(stored, entry, tally=Tally("fetch", total=stored.size, progress=None))
            finally:
                reservation.truncate(0)

    @contextmanager
    def _lock(self, name: str) -> Iterator[BinaryIO]:
        """Hold a lock, and wait for it if needed."""
        with (self._folder / "locks" / name).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _make_room(self, stored: StoredFile) -> None:
        """Delete the files that were not used for longest.

        Raises:
            StorageError: The files in use leave no room.
        """
        reserved = self._reserved()
        if not reserved:
            for part in self._folder.glob(".*.part"):  # of a killed process
                part.unlink(missing_ok=True)
        entries = sorted(
            ((path, path.stat()) for path in self._folder.iterdir() if path.is_file() and path.name[0] != "."),
            key=lambda entry: entry[1].st_mtime_ns,
        )
        excess = reserved + sum(facts.st_size for _, facts in entries) + stored.size - self._max_bytes
        for path, facts in entries:
            if excess > 0 and _delete_unused(path):
                excess -= facts.st_size
        if excess > 0:
            raise StorageError(
                f"the cache {self._folder} of {self._max_bytes:,} bytes has no room for {stored.path} "
                f"({stored.size:,} bytes) beside the files in use; make it larger by {excess:,} bytes at least"
            )

    def _reserved(self) -> int:
        """Return the bytes that running downloads will need."""
        total = 0
        for path in (self._folder / "locks").iterdir():
            size = path.stat().st_size
            if not size:
                continue
            with path.open("ab") as file:
                if _try_lock(file):
                    file.truncate(0)  # of a killed process
                else:
                    total += size
        return total


def _shared(path: Path) -> BinaryIO | None:
    """Open a file so that nobody deletes it until it is closed; None if there is no such file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    fcntl.flock(file, fcntl.LOCK_SH)
    if os.fstat(file.fileno()).st_nlink:
        return file
    file.close()  # deleted between the two
    return None


def _delete_unused(path: Path) -> bool:
    """Delete a file; return False if somebody uses it."""
    with path.open("rb") as file:
        if not _try_lock(file):
            return False
        path.unlink()
        return True


def _try_lock(file: BinaryIO) -> bool:
    """Lock a file; return False if somebody else holds a lock on it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

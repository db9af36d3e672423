"""A file that can only be read to its end if it still has its known digest."""

import hashlib
from pathlib import Path

from merflow.errors import StorageError

_BLOCK = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class CheckedStream:
    """A stream of a file's bytes, in order and once, for an upload under the file's digest.

    If the bytes differ, the last read raises an error, so that the upload never completes either.

    Args:
        path: The file.
        size: Its bytes.
        sha256: Its digest.
    """

    def __init__(self, path: Path, *, size: int, sha256: str) -> None:
        self._path = path
        self._size = size
        self._sha256 = sha256
        self._read = 0
        self._summary = hashlib.sha256()
        self._file = path.open("rb")

    def __enter__(self) -> "CheckedStream":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, amount: int = -1) -> bytes:
        """Return the next bytes, all that are left for a negative amount.

        Raises:
            StorageError: The file has changed since its digest was computed.
        """
        wanted = self._size - self._read if amount < 0 else min(amount, self._size - self._read)
        block = self._file.read(wanted)
        self._read += len(block)
        self._summary.update(block)
        if len(block) < wanted or (self._read == self._size and self._is_another()):
            raise StorageError(f"{self._path} changed while it was published; wait until nothing writes to it")
        return block

    def _is_another(self) -> bool:
        """Return True if the file is longer, or other bytes were read."""
        return self._file.read(1) != b"" or self._summary.hexdigest() != self._sha256

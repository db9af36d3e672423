"""Fingerprints of files: cheap ones, which change with a file without reading large files, and checksums."""

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def folder_fingerprint(folder: Path) -> str:
    """Return 16 hexadecimal digits over the names, sizes and times of all files in a folder."""
    return files_fingerprint({Path(parent) / name for parent, _, names in os.walk(folder) for name in names})


def files_fingerprint(paths: Iterable[Path], *, content: bytes = b"") -> str:
    """Return 16 hexadecimal digits over the names, sizes and times of files; a missing file counts as missing.

    Args:
        paths: The files.
        content: Further bytes to include, for example those of a small file that names the others.
    """
    summary = hashlib.sha256(content)
    for path in sorted(paths):
        facts = path.stat() if path.is_file() else None
        summary.update(f"{path}\0{facts and (facts.st_size, facts.st_mtime_ns)}\n".encode())
    return summary.hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content; a process reads a file again only once it has changed."""
    facts = path.stat()
    return _sha256_of(path, facts.st_size, facts.st_mtime_ns)


@cache
def _sha256_of(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Atomic writing: a file or folder is complete or absent, because it is written next to its path and then renamed."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from merflow.errors import MerflowError, OutputError

# Remedies for errors of the operating system that users can fix; all others are bugs.
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make the folder writable"),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST), "remove what is in the way"),
    **dict.fromkeys((errno.EBUSY, errno.EINVAL), "leave the folder if you are in it"),  # for example if it is `.`
}
_WRAPPED = re.compile(r"\(os error (\d+)\)")  # the way safetensors reports errors of the operating system


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Raise an :class:`OutputError` for a full disk, a read-only folder or anything in the way of ``path``."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        code = _code(error)
        if code not in _REMEDIES:
            raise
        candidates = [path, *path.parents] if code == errno.EEXIST else path.parents
        blocker = next((candidate for candidate in candidates if candidate.is_file()), None)
        reason = os.strerror(code) if blocker is None else f"{blocker} is a file, not a folder"
        raise OutputError(f"cannot write {path}: {reason}; {_REMEDIES[code]}, or choose another folder") from error


def _code(error: OSError | SafetensorError) -> int:
    """Return the operating system's number of the error, or 0 if it has none."""
    if isinstance(error, OSError):
        return error.errno or 0
    wrapped = _WRAPPED.search(str(error))
    return int(wrapped[1]) if wrapped else 0


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` if the block succeeds, and is deleted if it fails.

    Raises:
        OutputError: The folder is read-only, the disk is full, or ``path`` is a folder.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _beside(path)
        try:
            part.touch(exist_ok=False)
            yield part
            part.chmod(0o644)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces the folder ``path`` when the block succeeds; see :func:`replacing`.

    Raises:
        OutputError: The parent is read-only, the disk is full, or ``path`` is a file.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _beside(path)
        try:
            part.mkdir()
            yield part
            part.chmod(0o755)
            if path.is_dir():
                shutil.rmtree(path)
            part.replace(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _beside(path: Path) -> Path:
    # Only the name: the file itself is created where its removal is guaranteed, whatever ends the process.
    absolute = path.absolute()  # so that `.` has a name
    return absolute.with_name(f".{absolute.name}.{secrets.token_hex(8)}.part")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write a value as indented JSON with sorted keys, atomically."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Read the JSON value of a file that merflow wrote.

    Raises:
        MerflowError: The file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MerflowError(f"cannot read {path} ({error}); run the job that writes it again") from error


def read_record(path: Path, *, keys: Iterable[str], mend: str) -> dict[str, Any]:
    """Read the JSON object of a file that merflow wrote.

    Args:
        path: The file.
        keys: Keys that the reader needs.
        mend: The fix to suggest if another version of merflow wrote the file.

    Raises:
        MerflowError: The file is missing or damaged, or lacks a key because another version wrote it.
    """
    record: dict[str, Any] = read_json(path)
    check_record(record, keys=keys, where=str(path), mend=mend)
    return record


def check_record(record: object, *, keys: Iterable[str], where: str, mend: str) -> None:
    """Check a value that was read from a file; see :func:`read_record`.

    Raises:
        MerflowError: The value is not an object, or lacks a key.
    """
    lacking = [key for key in keys if not isinstance(record, dict) or key not in record]
    if lacking:
        raise MerflowError(f"{where} was written by another version of merflow: it has no {', '.join(lacking)}; {mend}")


def digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the SHA-256 of a JSON value, independent of the order of keys, as 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_md5(path: Path) -> str:
    """Return the MD5 of a file as 32 hexadecimal digits, as DVC names files; it does not protect against tampering."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

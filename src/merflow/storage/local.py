"""Files that are whole or absent: written beside their place and moved there in one step."""

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

# What the user can do about an error of the system; the others are merflow's own fault.
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make the folder writable"),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EEXIST), "remove what is in its place"),
    **dict.fromkeys((errno.EBUSY, errno.EINVAL), "leave the folder if you are in it"),  # as when it is `.`
}
_WRAPPED = re.compile(r"\(os error (\d+)\)")  # how safetensors tells of an error of the system


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turns a full disk, a read-only folder or something in the way of ``path`` into an :class:`OutputError`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        code = _code(error)
        if code not in _REMEDIES:
            raise
        places = [path, *path.parents] if code == errno.EEXIST else path.parents
        blocker = next((place for place in places if place.is_file()), None)
        reason = os.strerror(code) if blocker is None else f"{blocker} is a file, not a folder"
        raise OutputError(f"cannot write {path}: {reason}; {_REMEDIES[code]}, or choose another folder") from error


def _code(error: OSError | SafetensorError) -> int:
    """The system's number of the error, 0 where it has none."""
    if isinstance(error, OSError):
        return error.errno or 0
    wrapped = _WRAPPED.search(str(error))
    return int(wrapped[1]) if wrapped else 0


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and vanishes when it does not.

    Raises:
        OutputError: The folder is read-only, the disk full, or ``path`` a folder.
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
    """As :func:`replacing`, for a folder; an older folder of that name is removed, a file is in the way."""
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
    # A name alone: whatever ends the process, the file is made where its removal is already certain.
    place = path.absolute()  # `.` has a name there
    return place.with_name(f".{place.name}.{secrets.token_hex(8)}.part")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """The value as indented JSON with sorted keys, whole or not at all."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a file that merflow wrote.

    Raises:
        MerflowError: The file is missing or garbled.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MerflowError(f"cannot read {path} ({error}); run again the job that writes it") from error


def read_record(path: Path, *, keys: Iterable[str], mend: str) -> dict[str, Any]:
    """The JSON object of a file that merflow wrote.

    Args:
        path: The file.
        keys: What its reader takes of it.
        mend: What to do about a file of another version.

    Raises:
        MerflowError: The file is missing or garbled, or lacks a key: another version wrote it.
    """
    found = read_json(path)
    check_record(found, keys=keys, where=str(path), mend=mend)
    record: dict[str, Any] = found
    return record


def check_record(found: object, *, keys: Iterable[str], where: str, mend: str) -> None:
    """As :func:`read_record`, of what was read.

    Raises:
        MerflowError: It is no object, or lacks a key.
    """
    lacking = [key for key in keys if not isinstance(found, dict) or key not in found]
    if lacking:
        raise MerflowError(f"{where} is of another version of merflow: it has no {', '.join(lacking)}; {mend}")


def digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """SHA-256 of a JSON value, independent of key order, as 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes as 32 hexadecimal digits: how DVC names files; it is no safeguard against malice."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

"""The files of a local folder that can be published."""

import os
import re
import time
from pathlib import Path

from merflow.errors import StorageError
from merflow.storage.s3.address import check_relative

_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part")  # merflow.storage.local writes to such files first
_ABANDONED_S = 3600.0  # a part that grows is younger


def files_of(folder: Path) -> dict[str, Path]:
    """Return all files of a folder by their relative path with slashes, sorted, without those half-written.

    Raises:
        StorageError: The folder does not exist or is empty, a path is not possible in S3, or something in the folder
            is neither file nor folder, or a link to a folder, which would be left out silently otherwise.
    """
    if not folder.is_dir():
        raise StorageError(f"there is no folder {folder}; check the path")
    found = {}
    for parent, folders, names in os.walk(folder, onerror=_raise):
        for name in folders:
            if (Path(parent) / name).is_symlink():
                raise StorageError(f"{Path(parent) / name} is a link to a folder; publish that folder by itself")
        for name in names:
            if _PART.fullmatch(name):
                continue
            path = Path(parent) / name
            relative = path.relative_to(folder).as_posix()
            check_relative(relative, where=str(folder))
            if not path.is_file():
                raise StorageError(f"{path} is not a file that can be read; remove it")
            found[relative] = path
    if not found:
        raise StorageError(f"{folder} has no files; check the path")
    return dict(sorted(found.items()))


def remove_abandoned_parts(folder: Path) -> None:
    """Delete the half-written files that killed processes have left in a folder, unless they may still be written."""
    now_s = time.time()
    for path in folder.rglob(".*.part"):
        if _PART.fullmatch(path.name) and now_s - path.stat().st_mtime > _ABANDONED_S:
            path.unlink(missing_ok=True)


def _raise(error: OSError) -> None:
    raise StorageError(f"cannot read {error.filename} ({error.strerror}); change its permissions") from error

"""The scratch folder of a pod: its size is limited, and stored features that no running step reads are evicted."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from merflow.errors import StorageError

_SHARDS = "*/shards/*.safetensors"


def make_room(
    root: Path,
    files: Sequence[tuple[Path, int]],
    *,
    limit: int | None,
    keep: Callable[[str], bool] | None = None,
) -> None:
    """Delete the shards of the feature store that were read longest ago until these files fit.

    Args:
        root: The scratch folder.
        files: Files that will be written, with their bytes.
        limit: Bytes that the folder may hold; None for no limit.
        keep: Returns True for the path, relative to the folder, of a shard that must stay; None keeps all.

    Raises:
        StorageError: They do not fit.
    """
    if limit is None:
        return
    missing = {path: size for path, size in files if not path.is_file()}
    excess = _used(root) + sum(missing.values()) - limit
    needed = {path for path, _ in files}
    shards = [] if keep is None else [path for path in root.rglob(_SHARDS) if path not in needed]
    for path in sorted(shards, key=lambda shard: shard.stat().st_atime_ns):
        if excess <= 0:
            break
        if keep is not None and not keep(path.relative_to(root).as_posix()):
            excess -= path.stat().st_size
            path.unlink()
    if excess > 0:
        raise StorageError(
            f"{len(missing)} file(s) of the workspace, {sum(missing.values()):,} bytes, do not fit into {root}, which "
            f"may hold {limit:,} bytes; set cluster.scratch_gib to {(limit + excess) / 2**30:.3g} or more"
        )


def _used(root: Path) -> int:
    sizes = 0
    for parent, _, names in os.walk(root):
        for name in names:
            path = Path(parent) / name
            sizes += path.lstat().st_size if path.exists() else 0
    return sizes

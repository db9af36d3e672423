"""The cores and the memory that this process can actually use, also in a container or a pod."""

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def usable_cores(*, root: Path = _ROOT) -> int:
    """Return the number of cores: those that the process may run on, or fewer if its cgroup has a CPU quota.

    Args:
        root: Folder of ``proc`` and ``sys``.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [*_quotas(root)]
    return max(1, min(cores, *(int(quota) for quota in quotas))) if quotas else cores


def free_memory_gib(*, root: Path = _ROOT) -> float | None:
    """Return the memory of the machine that is free, or a pod's limit if it is lower; None if the system does not say.

    A pod's current use is not subtracted, because most of it is file cache that can be evicted.
    """
    free = [*_limits_bytes(root)]
    return min(free) / 2**30 if free else None


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPU quota of each cgroup that the process is in, in cores."""
    for folder in _cgroups(root, controller="cpu"):
        match _words(folder / "cpu.max"):  # version 2
            case [quota, period] if quota != "max":
                yield int(quota) / int(period)
        match _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us"):  # version 1
            case [quota], [period] if int(quota) > 0:
                yield int(quota) / int(period)


def _limits_bytes(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024
    for folder in _cgroups(root, controller="memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):  # of version 2, of version 1
            match _words(folder / name):
                case [limit] if limit != "max":
                    yield int(limit)


def _cgroups(root: Path, *, controller: str) -> Iterator[Path]:
    """Yield the folders of the process's cgroup and of all above it, of version 2 and of a controller of version 1.

    In a container the path may be the host's, which is not visible; the top folder is then the container's.
    """
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        folder = top / path.lstrip("/")
        while folder != top and top in folder.parents:
            yield folder
            folder = folder.parent
        yield top


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()

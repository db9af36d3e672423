"""A process with a memory limit that includes the file pages it reads."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path | None]:
    """Return a control group with a memory limit (version 1 or 2); None if this user may not create one."""
    unified = (_ROOT / "cgroup.controllers").is_file()
    group: Path | None = None
    try:
        group = Path(tempfile.mkdtemp(prefix="merflow-", dir=_ROOT if unified else _ROOT / "memory"))
        (group / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(str(limit_bytes))
        limited = True
    except OSError:
        limited = False
    try:
        yield group if limited else None
    finally:
        if group is not None:
            group.rmdir()


def run_within(group: Path | None, command: Sequence[str]) -> str:
    """Run a command in a group from its first instruction on, and return its output."""

    def enter() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=enter).stdout

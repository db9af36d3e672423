"""Processes of this machine: which have not ended, and a wait for one to get somewhere."""

import time
from collections.abc import Callable
from pathlib import Path


def alive(session: int) -> list[int]:
    """Return the processes of the session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended meanwhile
            continue
        found += [int(path.parent.name)] if int(its_session) == session and state != "Z" else []
    return found


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60  # a busy machine takes long to start processes
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)

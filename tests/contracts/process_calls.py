"""Calls for the tests of processes."""

import time
from collections.abc import Callable
from pathlib import Path

from merflow.contracts.processes import in_processes
from merflow.errors import PresetError
from merflow.storage.local import replacing


def write_and_wait(path: Path, *, seconds: float) -> str:
    """Wait in the middle of a write, with the unfinished file on disk."""
    with replacing(path) as part:
        part.write_text("half")
        time.sleep(seconds)
    return path.name


def fail() -> str:
    raise PresetError("no such variant")


def run(*calls: Callable[[], str]) -> list[str]:
    results: list[str] = []
    in_processes(calls, workers=2, finished=results.append)
    return results


def touch_later(path: Path, *, seconds: float) -> None:
    time.sleep(seconds)
    path.touch()

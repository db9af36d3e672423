"""Runs a pipeline on this machine with ``kfp.local``: cached, two folds at a time, quietly."""

import builtins
import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kfp import local

from merflow.contracts.progress import ERROR_PREFIX, PREFIX
from merflow.errors import PipelineError

_CACHE_HIT = "cache hit"
_EXECUTING = "Executing task"


@dataclass
class _Listener(io.TextIOBase):
    """Takes KFP's chatter: all of it goes to the log, lines of jobs to ``said``, their problems and counts are kept."""

    log: TextIO
    said: Callable[[str], None]
    problems: list[str] = field(default_factory=list)
    cached: int = 0
    executed: int = 0
    _rest: str = ""

    def write(self, text: str) -> int:
        self.log.write(text)
        self.log.flush()
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._sort(line)
        return len(text)

    def _sort(self, line: str) -> None:
        if ERROR_PREFIX in line:
            self.problems.append(line.partition(ERROR_PREFIX)[2])
        elif PREFIX in line:
            self.said(line.partition(PREFIX)[2])
        elif _CACHE_HIT in line:
            self.cached += 1
        elif _EXECUTING in line:
            self.executed += 1


@dataclass(frozen=True)
class LocalRun:
    """What a finished local run left.

    Attributes:
        outputs: The pipeline's outputs by name.
        cached: Steps whose earlier results were reused.
        executed: Steps that ran.
    """

    outputs: dict[str, Any]
    cached: int
    executed: int


def run_locally(
    pipeline: Callable[..., Any], arguments: dict[str, Any], *, root: Path, tell: Callable[[str], None]
) -> LocalRun:
    """Runs every step in a subprocess of this environment; finished steps of earlier runs are reused.

    Args:
        pipeline: A compiled ``@dsl.pipeline`` function.
        arguments: Its arguments.
        root: Folder for artifacts, the cache and ``log.txt`` with all that KFP says.
        tell: Given each line that a job says.

    Raises:
        PipelineError: A step failed, with what it said.
    """
    root.mkdir(parents=True, exist_ok=True)
    log_path = root / "log.txt"
    with log_path.open("a", encoding="utf-8") as log:
        listener = _Listener(log, tell)
        with _contained(listener):
            local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), enable_caching=True)
            try:
                task = pipeline(**arguments)
            except RuntimeError as error:
                said = "\n".join(dict.fromkeys(listener.problems)) or f"{error}; see the end of {log_path}"
                raise PipelineError(said) from error
    return LocalRun(dict(task.outputs), listener.cached, listener.executed)


@contextlib.contextmanager
def _contained(stream: _Listener) -> Iterator[None]:
    """Sends standard output and logging to ``stream``; undoes what KFP leaves behind: its print, handlers and level.

    KFP tells of a reused step on the root logger at INFO, wherever that goes.
    """
    root, printed = logging.getLogger(), builtins.print
    level, handlers = root.level, root.handlers[:]
    root.handlers[:] = [logging.StreamHandler(stream)]
    root.setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(stream), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        builtins.print = printed
        root.setLevel(level)
        root.handlers[:] = handlers

"""A pipeline run on this machine by ``kfp.local``: cached, two folds at a time, followed step by step."""

import builtins
import contextlib
import io
import logging
import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kfp import local

from merflow.contracts.pipeline_steps import StepTime, Watcher
from merflow.contracts.progress import ERROR_PREFIX, PREFIX
from merflow.errors import PipelineError

# KFP's own lines about its steps. A name may be wrapped in color codes.
_NAME = r"(?:\x1b\[\d+m)?'?([\w-]+?)'?(?:\x1b\[0m)?"
_STARTED = re.compile(rf"Executing task {_NAME}$")
_FINISHED = re.compile(rf"Task {_NAME} finished with status .*SUCCESS")
_CACHED = re.compile(rf"Task {_NAME} cache hit ")
_GRACE_S = 10.0  # for steps to tidy up after Ctrl-C


@dataclass(frozen=True)
class LocalRun:
    """A finished local run.

    Attributes:
        outputs: The pipeline's outputs by name.
        steps: In the order in which they started.
        seconds: Wall time of the whole run.
    """

    outputs: dict[str, Any]
    steps: tuple[StepTime, ...]
    seconds: float


@dataclass
class _Listener(io.TextIOBase):
    """A replacement for standard output: it logs KFP's output, and reports steps and job lines to a watcher."""

    log: TextIO
    watcher: Watcher
    problems: list[str] = field(default_factory=list)
    steps: dict[str, StepTime] = field(default_factory=dict)
    _started_s: dict[str, float] = field(default_factory=dict)
    _rest: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _interrupted: bool = False

    def write(self, text: str) -> int:
        if self._interrupted and threading.current_thread() is not threading.main_thread():
            threading.Event().wait()  # forever: KFP prints before each step, and must not start another
        with self._lock:
            self.log.write(text)
            self.log.flush()
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._sort(line)
        return len(text)

    def interrupt(self) -> None:
        """Hold every thread of KFP at its next line."""
        self._interrupted = True

    def _sort(self, line: str) -> None:
        if ERROR_PREFIX in line:
            self.problems.append(line.partition(ERROR_PREFIX)[2])
        elif PREFIX in line:
            self.watcher.job_line(line.partition(PREFIX)[2])
        elif started := _STARTED.search(line):
            self._step(started[1])
            self._started_s.setdefault(started[1], time.monotonic())
            self.watcher.step_started(started[1])
        elif finished := _FINISHED.search(line):
            step = self._step(finished[1])
            step.ran += 1
            step.seconds = time.monotonic() - self._started_s[step.name]
            self.watcher.step_finished(step.name, cached=False)
        elif cached := _CACHED.search(line):
            step = self._step(cached[1])
            step.cached += 1
            self.watcher.step_finished(step.name, cached=True)

    def _step(self, name: str) -> StepTime:
        return self.steps.setdefault(name, StepTime(name))


def run_locally(
    pipeline: Callable[..., Any],
    arguments: dict[str, Any],
    *,
    root: Path,
    watcher: Watcher,
    interrupted: Callable[[], int],
) -> LocalRun:
    """Run every step in a subprocess of this environment; reuse finished steps of earlier runs.

    Args:
        pipeline: A compiled ``@dsl.pipeline`` function.
        arguments: Its arguments.
        root: Folder for artifacts, the cache and ``log.txt`` with everything that KFP and the steps print.
        watcher: Notified of steps and job lines, from several threads but one at a time.
        interrupted: Called on Ctrl-C when all steps have ended; returns the exit code of this process.

    Raises:
        PipelineError: A step failed; the message is the step's own.
    """
    started_s = time.monotonic()
    root.mkdir(parents=True, exist_ok=True)
    log_path = root / "log.txt"
    with log_path.open("a", encoding="utf-8") as log:
        listener = _Listener(log, watcher)
        with _captured(listener), _interruptible(listener, interrupted):
            local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), enable_caching=True)
            try:
                task = pipeline(**arguments)
            except RuntimeError as error:
                problem = "\n".join(dict.fromkeys(listener.problems)) or f"{error}; see the end of {log_path}"
                raise PipelineError(problem) from error
    return LocalRun(dict(task.outputs), tuple(listener.steps.values()), time.monotonic() - started_s)


@contextlib.contextmanager
def _captured(stream: _Listener) -> Iterator[None]:
    """Send standard output and logging to ``stream``, and undo KFP's changes to print, handlers and level.

    KFP reports a reused step on the root logger at INFO.
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


@contextlib.contextmanager
def _interruptible(listener: _Listener, interrupted: Callable[[], int]) -> Iterator[None]:
    """End on Ctrl-C: no further step starts, running steps clean up, and no process is left behind.

    An exception would not be enough: KFP's threads start one step after another until the loop is done.
    """

    def end(*_: object) -> None:
        listener.interrupt()
        _end_steps()
        os._exit(interrupted())

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_steps() -> None:
    """Interrupt the steps, as a terminal does by itself, and wait for them."""
    for process in _descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGINT)
    deadline_s = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline_s:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.05)
        except ChildProcessError:
            return


def _descendants(process: int) -> list[int]:
    """Return the ids of a process' children and of theirs; none on a machine without ``/proc``."""
    children: list[int] = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            children += [int(child) for child in listed.read_text().split()]
    return children + [each for child in children for each in _descendants(child)]

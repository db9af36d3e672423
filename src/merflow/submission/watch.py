"""Polling of a run until it ends, even if the connection is lost in between."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from merflow.pipelines.lint.package import Package
from merflow.submission.runs import Run, read_run
from merflow.submission.server import Server
from merflow.submission.steps import Step, graph_of, steps_of

PATIENCE_S = 1800.0  # the server may restart, or a laptop may sleep


@dataclass(frozen=True)
class Progress:
    """A run and its steps at one moment."""

    run: Run
    graph: Package
    steps: list[Step]


def watch(
    server: Server,
    run_id: str,
    *,
    every_s: float,
    timeout_s: float | None,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Yield the run's progress until it ends or the timeout expires.

    Args:
        server: The server.
        run_id: The run's full id.
        every_s: Seconds between two polls.
        timeout_s: Stop after this many seconds; None for no limit.
        pause: Function that sleeps for some seconds.
        clock: Function that returns seconds, from any start.

    Raises:
        SubmissionError: The server refuses, or cannot be reached for longer than its patience.
    """
    until = None if timeout_s is None else clock() + timeout_s
    graph: Package | None = None
    while True:
        run = read_run(server, run_id)
        graph = graph or graph_of(server, run)
        yield Progress(run, graph, steps_of(run, graph))
        if run.ended or (until is not None and clock() >= until):
            return
        pause(every_s if until is None else max(0.0, min(every_s, until - clock())))

"""Progress of a pipeline run: one live line on a terminal, occasional plain lines elsewhere."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from merflow.contracts.numerals import clock_text
from merflow.contracts.pipeline_steps import StepTime
from merflow.contracts.terminal_table import lineless_table

_COUNT = re.compile(r"(?P<stage>.+): (?:epoch )?(?P<done>\d+)/(?P<total>\d+) \(\d+ s\)$")
# Minimum time between plain lines; a long run prints them less often.
_PLAIN_EVERY_S = 15.0
_PLAIN_SHARE = 0.05  # of the time that has passed
_REFRESHES_PER_S = 4


@dataclass(frozen=True)
class Loop:
    """A step that runs many times.

    Attributes:
        total: Number of executions; None if it is not known in advance.
        things: The plural of one execution's result, for example ``folds``.
    """

    total: int | None
    things: str


@dataclass
class LiveRun:
    """Progress display of one pipeline run; a context manager that shows the live line.

    Attributes:
        console: The terminal or file to write to.
        loops: Loops by the name of their step, in the order in which they run.
        clock: Seconds, from any start.
    """

    console: Console
    loops: Mapping[str, Loop]
    clock: Callable[[], float] = time.monotonic
    _step: str = ""
    _count: str = ""
    _done: dict[str, int] = field(default_factory=dict)
    _executed: int = 0
    _loop_started_s: float | None = None
    _live: Live | None = None

    def __post_init__(self) -> None:
        self._started_s = self._last_plain_s = self.clock()

    def __enter__(self) -> "LiveRun":
        if self.console.is_terminal:
            self._live = Live(
                console=self.console,
                get_renderable=lambda: Spinner("dots", text=Text(self.status(), overflow="ellipsis", no_wrap=True)),
                refresh_per_second=_REFRESHES_PER_S,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Remove the live line and restore the cursor."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def step_started(self, step: str) -> None:
        """Show the step; the first iteration of a loop starts its clock."""
        if step in self.loops and self._loop_started_s is None:
            self._loop_started_s = self.clock()
        self._turn_to(step)

    def step_finished(self, step: str, *, cached: bool) -> None:
        """Count an iteration of a loop."""
        self._turn_to(step)
        self._done[step] = self._done.get(step, 0) + 1
        self._executed += step in self.loops and not cached
        self._plain_line()

    def job_line(self, line: str) -> None:
        """Show a job's count in the live line, and any other line above it; lines of a loop are left to the log."""
        if count := _COUNT.match(line):
            self._count = f"{count['stage'].removeprefix(f'{self._step} ')} {count['done']} of {count['total']}"
        elif self._step not in self.loops:
            self.console.print(line, markup=False)
        self._plain_line()

    def status(self) -> str:
        """Return the status line: the step, its progress, the elapsed time, and the steps left."""
        loop = self.loops.get(self._step)
        if loop is None:
            doing = f"{self._step}: {self._count}" if self._count else self._step or "starting"
        else:
            done = self._done.get(self._step, 0)
            doing = f"{self._step} {done} {loop.things if loop.total is None else f'of {loop.total} {loop.things}'}"
        return " · ".join(part for part in (doing, f"{clock_text(self._elapsed_s)} elapsed", self._left()) if part)

    def _left(self) -> str:
        loop = self.loops.get(self._step)
        if loop is None:
            waiting = [each for step, each in self.loops.items() if not self._done.get(step)]
            ahead = [each.things if each.total is None else f"{each.total} {each.things}" for each in waiting]
            return f"{', '.join(ahead)} to {next(iter(self.loops))}" if ahead else ""
        if not self._executed or self._loop_started_s is None or loop.total is None:
            return ""
        each_s = (self.clock() - self._loop_started_s) / self._executed
        left_s = each_s * (loop.total - self._done.get(self._step, 0))
        return f"about {clock_text(left_s)} left" if left_s else ""

    @property
    def _elapsed_s(self) -> float:
        return self.clock() - self._started_s

    def _turn_to(self, step: str) -> None:
        if step != self._step:
            self._step, self._count = step, ""

    def _plain_line(self) -> None:
        """Print the status occasionally if there is no live line."""
        pause_s = max(_PLAIN_EVERY_S, _PLAIN_SHARE * self._elapsed_s)
        if self._live is None and self.clock() - self._last_plain_s >= pause_s:
            self._last_plain_s = self.clock()
            self.console.print(self.status(), markup=False)


def steps_table(steps: Sequence[StepTime], *, seconds: float) -> Table:
    """Return one row per step (its name, its time, whether it ran or was cached), and one for the whole run.

    Args:
        steps: In the order of their rows.
        seconds: Wall time of the whole run.
    """
    table = lineless_table()
    table.add_column("step", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for step in steps:
        table.add_row(step.name, clock_text(step.seconds) if step.ran else "", _outcome(step))
    total = StepTime("total", sum(step.ran for step in steps), sum(step.cached for step in steps))
    table.add_row(total.name, clock_text(seconds), _outcome(total))
    return table


def _outcome(step: StepTime) -> str:
    if step.ran + step.cached == 1:
        return "ran" if step.ran else "cached"
    return ", ".join(f"{count} {word}" for count, word in ((step.ran, "ran"), (step.cached, "cached")) if count)

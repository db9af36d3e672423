"""Progress of a run on a cluster: a live table on a terminal, plain lines for changes elsewhere."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from merflow.contracts.numerals import clock_text
from merflow.contracts.terminal_table import lineless_table

if TYPE_CHECKING:
    from merflow.submission.runs import Run
    from merflow.submission.steps import Step
    from merflow.submission.watch import Progress

WORDS = {
    "SUCCEEDED": "done",
    "RUNNING": "running",
    "PENDING": "pending",
    "FAILED": "failed",
    "SKIPPED": "skipped",
    "CANCELED": "cancelled",
    "CANCELING": "being cancelled",
    "PAUSED": "paused",
    "waiting": "waiting",
    "RUNTIME_STATE_UNSPECIFIED": "not run",
}
_STYLES = {"FAILED": "bold red", "RUNNING": "cyan", "SUCCEEDED": "green", "CANCELED": "yellow"}


class RunView:
    """Progress display of one run; a context manager that shows the live table."""

    def __init__(self, console: Console, *, expected: int | None = None) -> None:
        """Prepare the view.

        Args:
            console: The terminal or file to write to.
            expected: Number of folds; None if it is not known.
        """
        self._console = console
        self._expected = expected
        self._live: Live | None = None
        self._told: dict[str, str] = {}

    def __enter__(self) -> "RunView":
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=2, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, progress: "Progress") -> None:
        """Show the run as it is now."""
        if self._live is not None:
            head = Text(f"{progress.run.name}: {state_word(progress.run.state)}{_since(progress.run.seconds)}")
            self._live.update(Group(head, steps_table(progress.steps, expected=self._expected)), refresh=True)
            return
        for step in progress.steps:
            line = f"{step.name}: {step_words(step, expected=self._expected)}"
            if step.state != "waiting" and self._told.get(step.name) != line:
                self._told[step.name] = line
                self._console.print(line, markup=False)


def steps_table(steps: Sequence["Step"], *, expected: int | None = None) -> Table:
    """Return one row per step: its name, its state or its folds, and its time.

    Args:
        steps: The steps.
        expected: Number of folds; None if it is not known.
    """
    table = lineless_table()
    table.add_column("step", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for step in steps:
        time = "" if step.seconds is None else clock_text(step.seconds)
        table.add_row(step.name, Text(step_words(step, expected=expected), style=_STYLES.get(step.state, "")), time)
    return table


def step_words(step: "Step", *, expected: int | None = None) -> str:
    """Return the state of a step as text; for a step in a loop, count the folds that are done, running and failed."""
    total = max(step.total or 0, expected or 0)
    if not step.in_loop or step.state == "waiting":
        return state_word(step.state)
    words = [f"{step.done} of {total or '?'} done"]
    for state in ("RUNNING", "PENDING", "FAILED", "CANCELED", "CANCELING"):
        if count := step.counts.get(state):
            words.append(f"{count} {state_word(state)}")
            if state == "FAILED" and step.failed_iterations:
                words[-1] += f" (number {', '.join(map(str, step.failed_iterations))})"
    return ", ".join(words)


def state_word(state: str) -> str:
    """Return KFP's state in plain words."""
    return WORDS.get(state, state.lower())


def runs_table(runs: Sequence["Run"]) -> Table:
    """Return one row per run."""
    table = lineless_table()
    for column in ("run", "name", "state", "created"):
        table.add_column(column, no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for run in runs:
        created = run.created.astimezone().strftime("%Y-%m-%d %H:%M") if run.created else ""
        time = clock_text(run.seconds) if run.seconds is not None else ""
        table.add_row(run.id, run.name, Text(state_word(run.state), style=_STYLES.get(run.state, "")), created, time)
    return table


def _since(seconds: float | None) -> str:
    return "" if seconds is None else f", {clock_text(seconds)}"

"""Steps of a pipeline's run as they happen, between what runs a pipeline and what shows it to people."""

from dataclasses import dataclass
from typing import Protocol


class Watcher(Protocol):
    """Sees a run as it happens. All iterations of a loop go by the name of its step."""

    def step_started(self, step: str) -> None:
        """Take note that a step begins to run."""

    def step_finished(self, step: str, *, cached: bool) -> None:
        """Take note that a step is done, or that the result of an earlier run stands in for it."""

    def job_line(self, line: str) -> None:
        """Take a line that a job wrote for people."""


@dataclass
class StepTime:
    """One step of a run; a loop over folds counts as one step.

    Attributes:
        name: The step's name in the graph.
        ran: Number of executions.
        cached: Number of executions that earlier results stood in for.
        seconds: Wall time from the first start to the last end.
    """

    name: str
    ran: int = 0
    cached: int = 0
    seconds: float = 0.0

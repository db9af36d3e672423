"""Steps of a pipeline's run as they happen: the interface between running a pipeline and showing it to people."""

from dataclasses import dataclass
from typing import Protocol


class Watcher(Protocol):
    """Observer of a run. All iterations of a loop have the name of its step."""

    def step_started(self, step: str) -> None:
        """Note that a step has started."""

    def step_finished(self, step: str, *, cached: bool) -> None:
        """Note that a step is done, or that the result of an earlier run was used."""

    def job_line(self, line: str) -> None:
        """Note a line that a job wrote for people."""


@dataclass
class StepTime:
    """One step of a run; a loop over folds counts as one step.

    Attributes:
        name: The step's name in the graph.
        ran: Number of executions.
        cached: Number of executions replaced by earlier results.
        seconds: Wall time from the first start to the last end.
    """

    name: str
    ran: int = 0
    cached: int = 0
    seconds: float = 0.0

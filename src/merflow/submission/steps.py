"""Progress of a run by step and fold, from the tasks that KFP's API lists.

KFP lists a task for every node of the Argo workflow. A step is a node with the step's name, with a driver before it. A
loop has a node ``iteration-iterations(3:3)`` for its fourth iteration, and inside every iteration a node per step. KFP
does not say which node contains which, so folds are identified by the nodes of iterations.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import Any

from merflow.pipelines.lint.package import Package, Task
from merflow.submission.runs import CANCELED, CANCELING, FAILED, SKIPPED, SUCCEEDED, Run, moment
from merflow.submission.server import MissingError, Server

WAITING, RUNNING, PENDING = "waiting", "RUNNING", "PENDING"
_ITERATION = re.compile(r"iteration-iterations\((\d+):")
_UNSPECIFIED = "RUNTIME_STATE_UNSPECIFIED"  # also for nodes that Argo omitted
_WORST_FIRST = (FAILED, CANCELED, CANCELING, RUNNING, PENDING, SUCCEEDED, SKIPPED, _UNSPECIFIED)


@dataclass(frozen=True)
class Step:
    """One step of a run.

    Attributes:
        name: Its name in the graph.
        path: Its name, after the names of the loops around it, as in ``folds/train``.
        state: Its state, or the worst of all its executions; ``waiting`` before it starts.
        counts: Number of executions by state.
        total: Number of executions of a step in a loop; None if it is unknown or the step is not in a loop.
        failed_iterations: Numbers of the loop's iterations that failed, from 1.
        started: Time of the first start; None before that.
        ended: Time of the last end; None while the step runs.
    """

    name: str
    path: str
    state: str
    counts: dict[str, int]
    total: int | None
    failed_iterations: tuple[int, ...]
    started: datetime | None
    ended: datetime | None

    @property
    def in_loop(self) -> bool:
        """True for a step that a loop repeats."""
        return "/" in self.path

    @property
    def done(self) -> int:
        """Number of executions that succeeded."""
        return self.counts.get(SUCCEEDED, 0)

    @property
    def seconds(self) -> float | None:
        """Seconds from the first start to the last end, or until now; None before the start."""
        if self.started is None:
            return None
        return max(0.0, ((self.ended or datetime.now(UTC)) - self.started).total_seconds())

    def as_json(self) -> dict[str, Any]:
        """Return the step as JSON for machines."""
        return {
            "step": self.name,
            "state": self.state,
            "executions": self.counts,
            "total": self.total,
            "failed_folds": list(self.failed_iterations),
            "seconds": None if self.seconds is None else round(self.seconds),
        }


def graph_of(server: Server, run: Run) -> Package:
    """Return the package of a run; it has no steps if KFP has lost it, or if it is not in KFP's v2 format.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    spec = run.raw.pipeline_spec or _spec_of_version(server, run)
    pipeline = spec.get("pipeline_spec", spec)
    if not {"root", "components", "deploymentSpec"} <= pipeline.keys():
        return Package("", {"root": {"dag": {"tasks": {}}}, "components": {}, "deploymentSpec": {}}, {})
    return Package("", pipeline, spec.get("platform_spec", {}).get("platforms", {}).get("kubernetes", {}))


def _spec_of_version(server: Server, run: Run) -> Mapping[str, Any]:
    reference = run.raw.pipeline_version_reference
    if reference is None:
        return {}
    try:
        version = server.call(
            f"read the pipeline of run {run.id}",
            lambda: server.client.get_pipeline_version(reference.pipeline_id, reference.pipeline_version_id),
        )
    except MissingError:
        return {}
    return version.pipeline_spec or {}


def steps_of(run: Run, graph: Package) -> list[Step]:
    """Return the steps of a run in the order in which the graph lets them start.

    Args:
        run: The run.
        graph: Its package.
    """
    tasks = tasks_of(run)
    iterations = {
        int(found[1]): task for task in tasks if (found := _ITERATION.match(task.display_name or "")) is not None
    }
    steps = []
    for node in _ordered(graph):
        same = [task for task in tasks if task.display_name == node.name]
        looped = node.in_loop
        failed = tuple(sorted(index + 1 for index, task in iterations.items() if task.state == FAILED))
        starts, ends = ([moment(getattr(task, at)) for task in same] for at in ("start_time", "end_time"))
        steps.append(
            Step(
                name=node.name,
                path=node.path,
                state=_state(same, whole=not looped or len(same) >= len(iterations)),
                counts=dict(Counter(str(task.state or _UNSPECIFIED) for task in same)),
                total=(len(iterations) or None) if looped else None,
                failed_iterations=failed if looped and any(task.state == FAILED for task in same) else (),
                started=min((start for start in starts if start), default=None),
                ended=None if None in ends else max((end for end in ends if end), default=None),
            )
        )
    return steps


def tasks_of(run: Run) -> Sequence[Any]:
    """Return the tasks of a run as KFP's client gives them; empty until its workflow has started."""
    details = run.raw.run_details
    return (details and details.task_details) or ()


def cached_count(run: Run) -> int:
    """Return the number of executions that KFP skipped because their results were in its cache."""
    return sum(task.display_name == "executor" and task.state == SKIPPED for task in tasks_of(run))


def _ordered(graph: Package) -> list[Task]:
    """Return the tasks that start containers, each after all tasks that it depends on."""
    steps = {task.path: task for task, _ in graph.steps}
    waits = {
        path: sorted(
            inner
            for each in (*step.above, step)
            for name in each.spec.get("dependentTasks", ())
            for inner in steps
            if f"{inner}/".startswith(f"{_beside(each, name)}/")
        )
        for path, step in steps.items()
    }
    return [steps[path] for path in TopologicalSorter(waits).static_order()]


def _beside(task: Task, name: str) -> str:
    """Return the path of the task of this name in the same graph."""
    return "/".join([*(each.name for each in task.above), name])


def _state(tasks: Sequence[Any], *, whole: bool) -> str:
    """Return the worst state of executions; a loop that has not started all of them is still running."""
    states = {str(task.state or _UNSPECIFIED) for task in tasks}
    if not states:
        return WAITING
    worst = next((state for state in _WORST_FIRST if state in states), _UNSPECIFIED)
    return RUNNING if worst == SUCCEEDED and not whole else worst

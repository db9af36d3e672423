"""A run's tasks as KFP's API tells them, built from the graph of its package as Argo would name its nodes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from merflow.pipelines.lint.package import Package, Task

_TIMES = {"create_time": "2026-11-01T10:00:00Z", "start_time": "2026-11-01T10:00:00Z"}
_NEVER = "1970-01-01T00:00:00Z"


def hashed(text: str) -> int:
    """Return FNV-1a as Go's hash/fnv computes it."""
    value = 2166136261
    for byte in text.encode():
        value ^= byte
        value = (value * 16777619) % 2**32
    return value


@dataclass
class Workflow:
    """A workflow of Argo.

    Attributes:
        name: Its name.
        graph: The package.
        folds: Number of iterations of the loop.
        states: State by step; ``train:2`` is the third iteration's. Steps that are left out have not started.
        attempts: Number of attempts by the same names; 1 if it is left out.
        logs: Log by name of pod, which :meth:`pods` gives.
    """

    name: str
    graph: Package
    folds: int = 0
    states: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return the tasks in the API's form."""
        nodes = list(self._nodes())
        return [
            {
                "run_id": run_id,
                "task_id": f"task-{number}",
                "display_name": display,
                "state": state,
                **_TIMES,
                "end_time": "2026-11-01T10:01:30Z" if state in ("SUCCEEDED", "FAILED", "SKIPPED") else _NEVER,
                "child_tasks": [{"pod_name": self._id(child)} for child in children],
            }
            for number, (display, state, children) in enumerate(nodes)
        ]

    def pod(self, step: str, *, fold: int | None = None, attempt: int = 0) -> str:
        """Return the name of the pod of a step's attempt; folds and attempts count from 0."""
        task, settings = next((task, pod) for task, pod in self.graph.steps if task.name == step)
        executor = self._path(task, fold) + ".executor"
        metadata: Mapping[str, Any] = settings.settings.get("podMetadata", {})
        template = "system-container-impl"
        if "retryPolicy" in task.spec:
            executor, template = f"{executor}({attempt})", f"retry-{template}"
        if metadata:
            template = f"metadata-{len(metadata.get('annotations', {}))}-{len(metadata.get('labels', {}))}-{template}"
        return f"{self.name}-{template}-{hashed(executor)}"

    def _nodes(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield display name, state and children of every node."""
        yield self.name, "RUNNING", [f"{self.name}.root-driver"]
        yield "root-driver", "SUCCEEDED", [f"{self.name}.root"]
        for index in range(self.folds):
            states = [self.states.get(f"{task.name}:{index}") for task, _ in self.graph.steps if task.in_loop]
            known = [state for state in states if state]
            if known:
                yield f"iteration-iterations({index}:{index})", known[-1], []
        for task, _ in self.graph.steps:
            numbers: list[int | None] = [*range(self.folds)] if task.in_loop else [None]
            for number in numbers:
                key = task.name if number is None else f"{task.name}:{number}"
                if key in self.states:
                    yield from self._of_step(task, number, self.states[key], self.attempts.get(key, 1))

    def _of_step(
        self, task: Task, index: int | None, state: str, attempts: int
    ) -> Iterator[tuple[str, str, list[str]]]:
        path = self._path(task, index)
        yield f"{task.name}-driver", "SUCCEEDED", [path]
        yield task.name, "SUCCEEDED" if state == "CACHED" else state, [f"{path}.executor"]
        if state == "CACHED":
            yield "executor", "SKIPPED", []
        elif "retryPolicy" in task.spec:
            tried = [f"executor({number})" for number in range(attempts)]
            yield "executor", state, [f"{path}.{each}" for each in tried]
            for each in tried:
                yield each, state if each == tried[-1] else "FAILED", []
        else:
            yield "executor", state, []

    def _path(self, task: Task, index: int | None) -> str:
        path = f"{self.name}.root"
        for each in (*task.above, task):
            path += f".{each.name}"
            if each.is_loop:
                path += f".iteration-iterations({index}:{index}).iteration-item"
        return path

    def _id(self, path: str) -> str:
        return f"{self.name}-{hashed(path)}"

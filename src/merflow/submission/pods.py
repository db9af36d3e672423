"""Names of a run's pods, which KFP's API does not list, and their logs, which it returns by these names.

Argo names a node by the path of its tasks. The number in a node's id and in its pod's name is a hash of that path
(FNV-1a, 32 bits), so both follow from the graph. KFP's API lists the ids as children of tasks, and this shows
which pods exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from merflow.errors import SubmissionError, nearest
from merflow.pipelines.lint.package import Package, Pod, Task
from merflow.submission.runs import Run
from merflow.submission.server import MissingError, Server
from merflow.submission.steps import Step, tasks_of

_OFFSET, _PRIME = 0x811C9DC5, 0x01000193
_LONGEST_PREFIX = 242  # of a pod's name, before its hash


@dataclass(frozen=True)
class PodLog:
    """The log of one pod.

    Attributes:
        step: Name of its step.
        fold: Number of the loop's iteration, from 1; None outside of a loop.
        attempt: Number of the attempt, from 1.
        pod: The pod's name.
        text: Its output.
    """

    step: str
    fold: int | None
    attempt: int
    pod: str
    text: str


@dataclass(frozen=True)
class _Node:
    step: str
    fold: int | None
    attempt: int
    pod: str


def logs_of(
    server: Server, run: Run, graph: Package, steps: list[Step], *, step: str | None, fold: int | None
) -> Iterator[PodLog]:
    """Yield the logs of a step's pods, or of all steps that failed, the last attempt first.

    Args:
        server: The server.
        run: The run.
        graph: Its package.
        steps: Its steps.
        step: Name of a step; None for all failed steps, or for the running ones if none failed.
        fold: Number of a fold, from 1; None for all folds, or for the failed ones if no step is named.

    Raises:
        SubmissionError: There is no such step or fold, it has not started, or KFP has no logs of it.
    """
    by_name = {each.name: each for each in steps}
    if step is not None and step not in by_name:
        raise SubmissionError(f"run {run.id} has no step {step!r}; {nearest(step, by_name)}")
    chosen = [step] if step else [each.name for each in steps if each.state == "FAILED"]
    chosen = chosen or [each.name for each in steps if each.state == "RUNNING"]
    if not chosen:
        known = f"name one: {', '.join(by_name)}" if by_name else "KFP lists no steps for it"
        raise SubmissionError(f"no step of run {run.id} has failed or is running; {known}")
    for name in chosen:
        folds = by_name[name].failed_iterations if step is None else ()
        yield from _logs_of_step(server, run, graph, name=name, folds=(fold,) if fold else folds)


def _logs_of_step(server: Server, run: Run, graph: Package, *, name: str, folds: tuple[int, ...]) -> Iterator[PodLog]:
    task, settings = next((task, pod) for task, pod in graph.steps if task.name == name)
    nodes = [node for node in _nodes(run, task, settings) if not folds or node.fold in folds]
    if not nodes:
        of = f" of fold {', '.join(map(str, folds))}" if folds else ""
        raise SubmissionError(
            f"step {name}{of} of run {run.id} has no pod: it is waiting, or KFP took its result from the cache; "
            f"see merflow pipeline status {run.id}"
        )
    missing = []
    for node in nodes:
        text = _read(server, run, node.pod)
        if text is None:
            missing.append(node.pod)
        else:
            yield PodLog(node.step, node.fold, node.attempt, node.pod, text)
    if len(missing) == len(nodes):
        namespace = f" --namespace {server.profile.namespace}" if server.profile.namespace else ""
        raise SubmissionError(
            f"KFP has no log of step {name}: its pods are deleted, and Argo keeps no logs; while a pod exists, try: "
            f"kubectl logs{namespace} {missing[0]} --container main"
        )


def _nodes(run: Run, task: Task, settings: Pod) -> list[_Node]:
    """Return the nodes of a step's pods that exist, the last attempt first."""
    known = {str(child.pod_name) for each in tasks_of(run) for child in each.child_tasks or () if child.pod_name}
    workflow = _workflow(known)
    if workflow is None:
        return []
    loops = [each for each in task.above if each.is_loop]
    count = sum(str(each.display_name).startswith("iteration-iterations(") for each in tasks_of(run))
    nodes: list[_Node] = []
    for index in range(count) if loops else (None,):
        path = executor_path(workflow, task, iteration=index)
        retries = int(task.spec.get("retryPolicy", {}).get("maxRetryCount", 0))
        attempts = [path] if "retryPolicy" not in task.spec else [f"{path}({number})" for number in range(retries + 1)]
        existing = [
            _Node(task.name, None if index is None else index + 1, number, pod_name(workflow, each, task, settings))
            for number, each in enumerate(attempts, start=1)
            if f"{workflow}-{fnv1a(each)}" in known
        ]
        nodes += reversed(existing)
    return nodes


def executor_path(workflow: str, task: Task, *, iteration: int | None) -> str:
    """Return Argo's name of the node that runs a step, without the number of the attempt.

    Args:
        workflow: Name of the workflow.
        task: The step in its graph.
        iteration: Number of the loop's iteration, from 0; None outside of a loop.
    """
    parts = [workflow, "root"]
    for each in (*task.above, task):
        parts.append(each.name)
        if each.is_loop:
            parts += [f"iteration-iterations({iteration}:{iteration})", "iteration-item"]
    return ".".join([*parts, "executor"])


def pod_name(workflow: str, path: str, task: Task, settings: Pod) -> str:
    """Return the name of a pod.

    Args:
        workflow: Name of the workflow.
        path: Argo's name of the node.
        task: The step in its graph.
        settings: Settings of its pod; KFP puts the number of labels and annotations into the name of Argo's template.
    """
    template = "system-container-impl"
    if "retryPolicy" in task.spec:
        template = f"retry-{template}"
    metadata: Any = settings.settings.get("podMetadata")
    if metadata:
        template = f"metadata-{len(metadata.get('annotations', {}))}-{len(metadata.get('labels', {}))}-{template}"
    return f"{f'{workflow}-{template}'[:_LONGEST_PREFIX]}-{fnv1a(path)}"


def fnv1a(text: str) -> int:
    """Return the 32-bit FNV-1a hash of a text."""
    value = _OFFSET
    for byte in text.encode():
        value = (value ^ byte) * _PRIME & 0xFFFFFFFF
    return value


def _workflow(ids: set[str]) -> str | None:
    """Return the workflow's name, which all ids begin with; None if there are none."""
    return next((each.rpartition("-")[0] for each in sorted(ids)), None)


def _read(server: Server, run: Run, pod: str) -> str | None:
    """Return the log of a pod; None if KFP has none.

    KFP answers with status 200 before it looks for the pod, and then writes an error instead of the log.
    """
    api = server.client.runs.run_service_get_run.__self__.api_client

    def request() -> bytes:
        answer = api.call_api(
            *("/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log", "GET", {"run_id": run.id, "node_id": pod}),
            header_params={"Accept": "text/plain"},
            auth_settings=["Bearer"],
            _preload_content=False,
            _return_http_data_only=True,
        )
        return bytes(answer.data)

    try:
        text = server.call(f"read the log of {pod}", request).decode("utf-8", errors="replace")
    except MissingError:
        return None
    return None if text.startswith('{"error_message":') else text

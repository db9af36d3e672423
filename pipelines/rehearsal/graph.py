"""The order of a package's steps: a task runs when those that it reads from are done; a loop runs its graph per item.

A graph may contain only what merflow's packages contain: steps, loops over a list, and ``Collected``. Conditions,
exit handlers, loops within loops and importers are refused before anything runs. Like Argo, a graph starts nothing new
once one of its tasks has failed, and ends when those that run are done.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from merflow.errors import PipelineError
from merflow.pipelines.lint.package import Package, Task

Json = dict[str, Any]


@dataclass(frozen=True)
class Outputs:
    """Outputs of a task.

    Attributes:
        parameters: Values by name.
        artifacts: Lists of runtime artifacts by name.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, list[Json]] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One execution of a container.

    Attributes:
        name: Name of the task.
        path: Names of the graphs around it, with the number of the loop's item, and its own.
        task: Its entry in the graph.
        component: Its component.
        inputs: Its inputs.
    """

    name: str
    path: str
    task: Mapping[str, Any]
    component: Mapping[str, Any]
    inputs: Outputs


Runner = Callable[[Step], Outputs]


def check_graph(package: Package) -> None:
    """Raise if the package's graph contains anything that a rehearsal does not support.

    Raises:
        PipelineError: With the first such task.
    """
    for task in package.tasks:
        if reason := _unknown(task, package):
            raise PipelineError(f"task {task.path} {reason}, which a rehearsal does not know; run it on a cluster")


def arguments_of(package: Package, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run: the given ones, and the package's defaults for the others.

    Raises:
        PipelineError: One is unknown, or one without default is missing.
    """
    defined = package.parameters
    if unknown := sorted(given.keys() - defined.keys()):
        raise PipelineError(f"the package has no parameter {unknown[0]!r}; it has {', '.join(sorted(defined))}")
    values = {name: each["defaultValue"] for name, each in defined.items() if "defaultValue" in each} | dict(given)
    missing = [name for name, each in defined.items() if name not in values and not each.get("isOptional")]
    if missing:
        raise PipelineError(
            f"the package needs a value for {', '.join(missing)}; give it with --arg {missing[0]}=VALUE"
        )
    return values


@dataclass(frozen=True)
class Graph:
    """A package's graph, and the function that runs its steps.

    Attributes:
        package: The package.
        run: Runs one step, and raises an error if it fails. Called from several threads.
        parallel: Tasks of one graph, and items of one loop, at the same time.
        stopping: Set to start nothing new.
    """

    package: Package
    run: Runner
    parallel: int
    stopping: threading.Event

    def execute(self, arguments: Mapping[str, Any]) -> Outputs:
        """Run everything; return the pipeline's outputs.

        Raises:
            PipelineError: A step failed.
        """
        return self._dag(self.package.spec["root"], Outputs(arguments), path="")

    def _dag(self, component: Mapping[str, Any], given: Outputs, *, path: str) -> Outputs:
        tasks: dict[str, Json] = component["dag"]["tasks"]
        done: dict[str, Outputs] = {}
        running: dict[Future[Outputs], str] = {}
        errors: list[BaseException] = []
        with ThreadPoolExecutor(max_workers=self.parallel) as pool:
            while len(done) < len(tasks):
                if not errors and not self.stopping.is_set():
                    for name in _ready(tasks, done, running.values()):
                        running[pool.submit(self._task, name, tasks[name], given, done, path)] = name
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if error := future.exception():
                        errors.append(error)
                    else:
                        done[name] = future.result()
        if errors:
            raise errors[0]
        if len(done) < len(tasks):
            raise PipelineError("the rehearsal was interrupted; run it again to resume")
        return _outputs(component, done)

    def _task(
        self, name: str, task: Mapping[str, Any], given: Outputs, done: Mapping[str, Outputs], path: str
    ) -> Outputs:
        component = self.package.spec["components"][task["componentRef"]["name"]]
        inputs = _inputs(task, given, done)
        here = f"{path}/{name}" if path else name
        if "parameterIterator" in task:
            return self._loop(task, component, inputs, path=here)
        if "dag" in component:
            return self._dag(component, inputs, path=here)
        return self.run(Step(name, here, task, component, inputs))

    def _loop(self, task: Mapping[str, Any], component: Mapping[str, Any], inputs: Outputs, *, path: str) -> Outputs:
        """Run the graph of a loop once per item, and collect each of its outputs as a list."""
        import json

        iterator = task["parameterIterator"]
        source = iterator["items"]
        items = json.loads(source["raw"]) if "raw" in source else inputs.parameters[source["inputParameter"]]
        limit = int(task.get("iteratorPolicy", {}).get("parallelismLimit", 0)) or self.parallel
        with ThreadPoolExecutor(max_workers=min(limit, self.parallel)) as pool:
            started = [
                pool.submit(
                    self._dag,
                    component,
                    Outputs({**inputs.parameters, iterator["itemInput"]: item}, inputs.artifacts),
                    path=f"{path}/{number}",
                )
                for number, item in enumerate(items)
            ]
            for unfinished in wait(started, return_when=FIRST_EXCEPTION).not_done:  # after the first failure
                unfinished.cancel()
        results = [future.result() for future in started if not future.cancelled()]
        outputs = component.get("outputDefinitions", {})
        return Outputs(
            {name: [each.parameters[name] for each in results] for name in outputs.get("parameters", {})},
            {name: [one for each in results for one in each.artifacts[name]] for name in outputs.get("artifacts", {})},
        )


def _ready(tasks: Mapping[str, Json], done: Mapping[str, Outputs], running: Any) -> Iterator[str]:  # noqa: ANN401 - a view
    for name, task in tasks.items():
        if name not in done and name not in running and set(_producers(task)) <= done.keys():
            yield name


def _producers(task: Mapping[str, Any]) -> Iterator[str]:
    yield from task.get("dependentTasks", [])
    for kind, key in (("parameters", "taskOutputParameter"), ("artifacts", "taskOutputArtifact")):
        yield from (each[key]["producerTask"] for each in task.get("inputs", {}).get(kind, {}).values() if key in each)


def _inputs(task: Mapping[str, Any], given: Outputs, done: Mapping[str, Outputs]) -> Outputs:
    parameters: Json = {}
    artifacts: dict[str, list[Json]] = {}
    for name, source in task.get("inputs", {}).get("parameters", {}).items():
        if "taskOutputParameter" in source:
            made = source["taskOutputParameter"]
            parameters[name] = done[made["producerTask"]].parameters[made["outputParameterKey"]]
        elif "componentInputParameter" in source:
            parameters[name] = given.parameters.get(source["componentInputParameter"])
        else:
            parameters[name] = source["runtimeValue"]["constant"]
    for name, source in task.get("inputs", {}).get("artifacts", {}).items():
        if "taskOutputArtifact" in source:
            made = source["taskOutputArtifact"]
            artifacts[name] = done[made["producerTask"]].artifacts[made["outputArtifactKey"]]
        else:
            artifacts[name] = given.artifacts[source["componentInputArtifact"]]
    return Outputs(parameters, artifacts)


def _outputs(component: Mapping[str, Any], done: Mapping[str, Outputs]) -> Outputs:
    """Return a graph's outputs, which come from its tasks."""
    outputs = component["dag"].get("outputs", {})
    parameters, artifacts = {}, {}
    for name, each in outputs.get("parameters", {}).items():
        source = each["valueFromParameter"]
        parameters[name] = done[source["producerSubtask"]].parameters[source["outputParameterKey"]]
    for name, each in outputs.get("artifacts", {}).items():
        (source,) = each["artifactSelectors"]
        artifacts[name] = done[source["producerSubtask"]].artifacts[source["outputArtifactKey"]]
    return Outputs(parameters, artifacts)


def _unknown(task: Task, package: Package) -> str:
    """Return the unsupported feature of a task; empty if a rehearsal supports it."""
    if "triggerPolicy" in task.spec:
        return "has a condition or handles an exit"
    if "artifactIterator" in task.spec:
        return "loops over artifacts"
    if task.is_loop and task.in_loop:
        return "is a loop within a loop"
    if "dag" not in task.component and task.executor not in package.pods:
        return "starts no container"
    return ""

"""Rules about the graph: constructs that compile and run on one machine, and fail or differ on a cluster.

Numbers with # are issues of kubeflow/pipelines.
"""

import json
import re
from collections.abc import Iterator

from merflow.pipelines.lint.package import Package, Task

Problems = Iterator[tuple[str, str]]

_MOST_TASKS = 100
_SINGLE_OUTPUT = "Output"  # KFP's name for the only output of a component


def dict_items(package: Package) -> Problems:
    """Yield loops whose items are mappings (#13273)."""
    for task in package.tasks:
        raw = task.spec.get("parameterIterator", {}).get("items", {}).get("raw", "[]")
        if any(isinstance(item, dict) for item in json.loads(raw)):
            yield task.path, "the items of the loop are mappings"
        for name, source in task.inputs("parameters").items():
            if task.in_loop and "parameterExpressionSelector" in source:
                yield task.path, f"input {name} takes a key of the loop's item"


def nested_loops(package: Package) -> Problems:
    """Yield loops within loops: a cluster collects flat lists, one machine nested ones."""
    return ((task.path, "is a loop within a loop") for task in package.tasks if task.is_loop and task.in_loop)


def loops_in_exit_handlers(package: Package) -> Problems:
    """Yield loops within exit handlers (#12390)."""
    for task in package.tasks:
        handler = next((each for each in task.above if _is_exit_handler(each)), None)
        if task.is_loop and handler is not None:
            yield task.path, f"is a loop within exit handler {handler.name}"


def _is_exit_handler(task: Task) -> bool:
    return str(task.spec["componentRef"]["name"]).startswith("comp-exit-handler")


def importers_in_loops(package: Package) -> Problems:
    """Yield importers within loops (#10860)."""
    importers = {name for name, each in package.spec["deploymentSpec"]["executors"].items() if "importer" in each}
    return (
        (task.path, "imports an artifact within a loop")
        for task in package.tasks
        if task.in_loop and task.executor in importers
    )


def loops_with_output_parameters(package: Package) -> Problems:
    """Yield loops that take another step's output parameter: kfp 2.17 replaces it by the item on one machine."""
    for task in package.tasks:
        if task.is_loop:
            items = task.spec.get("parameterIterator", {}).get("items", {}).get("inputParameter")
            for name, source in task.inputs("parameters").items():
                if name != items and "taskOutputParameter" in source:
                    yield task.path, f"takes {name} in addition to its item"


def items_of_named_outputs(package: Package) -> Problems:
    """Yield loops over a named output, whose items kfp 2.17 does not find on one machine."""
    for task in package.tasks:
        if task.is_loop:
            items = task.spec.get("parameterIterator", {}).get("items", {}).get("inputParameter", "")
            source = task.inputs("parameters").get(items, {}).get("taskOutputParameter", {})
            if source and source["outputParameterKey"] != _SINGLE_OUTPUT:
                yield task.path, f"loops over output {source['outputParameterKey']} of {source['producerTask']}"


def conditions_on_named_outputs(package: Package) -> Problems:
    """Yield conditions on a named output, which kfp 2.17 skips without an error on one machine."""
    for task in package.tasks:
        condition = task.spec.get("triggerPolicy", {}).get("condition", "")
        for name in re.findall(r"parameter_values\['([^']+)'\]", condition):
            source = task.inputs("parameters").get(name, {}).get("taskOutputParameter", {})
            if source and source["outputParameterKey"] != _SINGLE_OUTPUT:
                yield task.path, f"depends on output {source['outputParameterKey']} of {source['producerTask']}"


def optional_artifacts(package: Package) -> Problems:
    """Yield steps with optional artifacts, which break the cache (#11410)."""
    for task in package.tasks:
        for name, each in task.defined("artifacts").items():
            if each.get("isOptional"):
                yield task.path, f"artifact {name} is optional"


def retries_of_graphs(package: Package) -> Problems:
    """Yield loops and pipelines within pipelines with retries, which KFP ignores (#11288)."""
    return (
        (task.path, "has retries, but is not a step")
        for task in package.tasks
        if "dag" in task.component and "retryPolicy" in task.spec
    )


def many_tasks(package: Package) -> Problems:
    """Yield graphs with so many tasks that Argo's arguments become too long (#12453)."""
    graphs = {"the pipeline": package.spec["root"]["dag"]}
    graphs |= {name: each["dag"] for name, each in package.spec["components"].items() if "dag" in each}
    for name, dag in graphs.items():
        if len(dag["tasks"]) >= _MOST_TASKS:
            yield name, f"has {len(dag['tasks'])} tasks"


def cached_first_steps(package: Package) -> Problems:
    """Yield cached steps that come first: their inputs are paths, and KFP's key does not depend on file contents."""
    for task, _ in package.steps:
        first = not task.above and not task.spec.get("dependentTasks")
        if first and task.spec.get("cachingOptions", {}).get("enableCache"):
            yield task.path, "may be cached, although it is the first to see the files"

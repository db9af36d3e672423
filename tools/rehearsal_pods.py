"""The Pods of the shipped packages, as a rehearsal creates them; ``python -m tools.rehearsal_pods`` rewrites them.

They are checked in with placeholder inputs, so that reviews show every change to what a cluster would receive.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from merflow.pipelines.lint.package import Package, Task
from merflow.pipelines.packages import COMPILED, PIPELINES
from merflow.pipelines.rehearsal.inputs import executor_input
from merflow.pipelines.rehearsal.pod import Manifest, Place, pod_manifest
from merflow.pipelines.rehearsal.rehearsal import NAMESPACE, STORE

FOLDER = Path(__file__).parents[1] / "tests/pipelines/rehearsal/pods"
_PLACE = Place(run="run", namespace=NAMESPACE, user=1000680000, store=STORE)


def main() -> None:
    """Write the Pods, and remove those of steps that no longer exist."""
    for old in FOLDER.glob("*.yaml"):
        old.unlink()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, pod in pods():
        (FOLDER / f"{name}.yaml").write_text(text(pod), encoding="utf-8")


def pods() -> Iterator[tuple[str, Manifest]]:
    """Yield the Pod of every step of every package, and its name, PIPELINE.STEP."""
    for pipeline in PIPELINES:
        package = Package.read(COMPILED / f"{pipeline}.yaml")
        for task, executor in package.steps:
            given = executor_input(
                task.component,
                parameters={name: _value(task, name) for name in task.inputs("parameters")},
                artifacts={name: [_artifact(task, name)] for name in task.inputs("artifacts")},
                root=f"{STORE.root}/run/{task.path}",
            )
            yield f"{pipeline}.{task.name}", pod_manifest(executor, given, name=f"run-{task.name}-0", place=_PLACE)


def text(pod: Manifest) -> str:
    """Return a Pod as YAML."""
    return yaml.safe_dump(pod, sort_keys=False, width=120)


def _value(task: Task, name: str) -> str | int:
    kind = str(task.defined("parameters")[name]["parameterType"])
    return 1 if kind.startswith("NUMBER") else f"({name})"


def _artifact(task: Task, name: str) -> dict[str, Any]:
    kind = task.defined("artifacts")[name]["artifactType"]
    return {"name": name, "uri": f"{STORE.root}/run/{name}", "type": kind, "metadata": {}}


if __name__ == "__main__":
    main()

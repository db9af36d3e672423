"""KFP's cache keys of a pipeline's steps, from its compiled package and from the real outputs of its first steps.

The key of a step holds its image, command, environment, volumes, parameters and the names of its input artifacts
(``cacheutils`` of KFP's backend). An artifact has a new name with every execution of the step that makes it.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.pipelines.lint.package import Package, Task
from merflow.storage.local import digest
from tests.pipelines.requests_of_run import requests_of_run

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """One run of a pipeline.

    Attributes:
        workspace: Folder that all steps share.
        models: Variants.
        root: Folder of the release.
        params: Changes to the parameters.
        transcribe: True to transcribe.
        inputs: Digests of the inputs of streams that were replaced, by role.
        source: Folder that holds merflow's code in the image.
        package: The package.
        promotion: Settings of the promotion; None for the pipeline ``benchmark``.
    """

    workspace: Path
    models: tuple[str, ...]
    root: Path
    params: str
    transcribe: bool
    inputs: tuple[tuple[str, str], ...]
    source: Path
    package: Path
    promotion: dict[str, object] | None = None

    def keys(self) -> dict[str, str]:
        """Return the cache key of every cached step; that of a fold under the name of its request."""
        requests, items = self._said()
        package = Package.read(self.package)
        steps = {task.name: task for task, _ in package.steps if task.spec["cachingOptions"]}
        names: dict[str, str] = {}
        keys: dict[str, str] = {}
        folds: dict[str, str] = {}
        waiting = list(steps)
        while waiting:
            name = next(each for each in waiting if not (_producers(steps[each]) & set(waiting)))
            waiting.remove(name)
            if name == "train":
                folds = {item: self._key(package, steps[name], {"request": item}, names) for item in items}
                continue
            parameters: dict[str, Any] = {"request": requests[name]}
            if "folds" in steps[name].inputs("parameters"):
                parameters["folds"] = sorted(folds.values())
            keys[name] = names[name] = self._key(package, steps[name], parameters, names)
        return keys | {Path(item).name.rpartition("-")[0]: key for item, key in folds.items()}

    def uncached(self) -> set[str]:
        """Return the steps that run every time."""
        return {task.name for task, _ in Package.read(self.package).steps if not task.spec["cachingOptions"]}

    def _said(self) -> tuple[dict[str, str], list[str]]:
        settings = {
            "models": self.models,
            "corpus": "iemocap",
            "root": str(self.root),
            "size": "tiny",
            "workspace": str(self.workspace),
            "name": "a name",
            "quarantine": False,
            "transcribe": self.transcribe,
            "profile": "",
            "presets": "",
            "params": self.params,
        }
        inputs = dict(self.inputs)
        if self.source == ROOT / "src":
            return requests_of_run(settings, self.promotion, inputs)
        given = json.dumps([settings, self.promotion, inputs])
        command = [sys.executable, "-m", "tests.pipelines.requests_of_run", given]
        environment = {**os.environ, "PYTHONPATH": f"{self.source}{os.pathsep}{ROOT}"}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        requests, items = json.loads(done.stdout)
        return requests, items

    @staticmethod
    def _key(package: Package, task: Task, parameters: dict[str, Any], names: dict[str, str]) -> str:
        assert task.spec["cachingOptions"] == {"enableCache": True}, task.name
        assert task.inputs("parameters").keys() == parameters.keys(), task.name
        pod = package.pods[str(task.executor)]
        sources = {name: source["taskOutputArtifact"] for name, source in task.inputs("artifacts").items()}
        artifacts = {name: [names[each["producerTask"]], each["outputArtifactKey"]] for name, each in sources.items()}
        volumes = [each["constant"] for each in pod.settings["pvcMount"]]
        outputs = task.component.get("outputDefinitions", {})
        start = [pod.container["image"], pod.arguments, pod.variables, volumes]
        return digest([start, parameters, artifacts, outputs])


def _producers(task: Task) -> set[str]:
    of_artifacts = {source["taskOutputArtifact"]["producerTask"] for source in task.inputs("artifacts").values()}
    return of_artifacts | ({"train"} if "folds" in task.inputs("parameters") else set())

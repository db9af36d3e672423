"""A compiled pipeline, and the settings of its steps."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from merflow.contracts.params_files import read_params
from merflow.pipelines.packages import compile_packages

SHIPPED = Path(__file__).parents[2] / "params.yaml"
SERVERS = ("tracking.uri=http://mlflow:5000", "tuning.storage=postgresql://optuna@postgres/optuna")


class Package(NamedTuple):
    """Both documents of a compiled pipeline."""

    spec: dict[str, Any]
    platform: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Package":
        spec, *rest = yaml.safe_load_all(path.read_text())
        return cls(spec, rest[0]["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if rest else {})

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return the container of every step."""
        executors = self.spec["deploymentSpec"]["executors"]
        return {name.removeprefix("exec-"): each["container"] for name, each in executors.items()}

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the settings of every step's pod that only Kubernetes knows."""
        return {name.removeprefix("exec-"): each for name, each in self.platform.items()}

    def gpus(self) -> dict[str, tuple[str, str]]:
        """Return resource name and count for the steps that request GPUs."""
        found = {step: each["resources"].get("accelerator") for step, each in self.containers().items()}
        return {step: (each["resourceType"], each["resourceCount"]) for step, each in found.items() if each}

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return the task of every step, at any depth."""
        dags = [self.spec["root"]["dag"], *(each["dag"] for each in self.spec["components"].values() if "dag" in each)]
        steps = self.containers()
        return {name: task for dag in dags for name, task in dag["tasks"].items() if name in steps}

    def graph(self) -> dict[str, Any]:
        """Return the pipeline without the settings of pods."""
        bare = yaml.safe_load(yaml.safe_dump(self.spec))
        for container in Package(bare, {}).containers().values():
            container.pop("resources", None)
            container.pop("env", None)
        for task in Package(bare, {}).tasks().values():
            task.pop("retryPolicy", None)
        bare["root"]["inputDefinitions"]["parameters"]["params"]["defaultValue"] = ""
        return dict(bare)

    def environment(self, step: str) -> dict[str, str]:
        """Return the plain environment variables of a step."""
        return {each["name"]: each["value"] for each in self.containers()[step]["env"]}


def compiled(folder: Path, name: str, *overrides: str, transcribe: bool = False) -> Package:
    params = read_params(SHIPPED, overrides=(*SERVERS, *overrides))
    (path,) = compile_packages(folder, params=params, names=[name], transcribe=transcribe)
    return Package.read(path)

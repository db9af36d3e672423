"""The resources and the placement of pods in compiled packages."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from kfp.compiler import Compiler

from merflow.contracts.params import read_params, shipped_params, with_changes
from merflow.errors import ParamsError
from merflow.pipelines.packages import COMPILED, PIPELINES, compile_all

SHIPPED = Path(__file__).parents[2] / "params.yaml"
NAMES = sorted(PIPELINES)
COMPUTING = {"benchmark": {"extract", "transcribe", "train"}, "tune": {"extract", "transcribe", "run-trials"}}


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
        for task in Package(bare, {}).tasks().values():
            task.pop("retryPolicy", None)
        return dict(bare)


def compiled(folder: Path, name: str, *overrides: str) -> Package:
    compile_all(folder, params=read_params(SHIPPED, overrides=overrides))
    return Package.read(folder / f"{name}.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_steps_that_compute_ask_for_one_gpu_and_the_others_for_none(name: str) -> None:
    package = Package.read(COMPILED / f"{name}.yaml")
    assert package.gpus() == dict.fromkeys(COMPUTING[name], ("nvidia.com/gpu", "1"))
    bearing = {step for step, pod in package.pods().items() if pod.get("tolerations")}
    assert bearing == COMPUTING[name]
    assert package.pods()["extract"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_asks_for_cores_memory_the_workspace_and_an_end(name: str) -> None:
    package = Package.read(COMPILED / f"{name}.yaml")
    assert package.containers().keys() == package.pods().keys() == package.tasks().keys()
    workspace = package.spec["root"]["inputDefinitions"]["parameters"]["workspace"]["defaultValue"]
    for step, container in package.containers().items():
        asked, pod = container["resources"], package.pods()[step]
        assert float(asked["resourceCpuRequest"]) >= 1
        assert asked["resourceMemoryRequest"] == asked["resourceMemoryLimit"], step
        assert int(pod["activeDeadlineSeconds"]) >= 3600
        assert [(mount["constant"], mount["mountPath"]) for mount in pod["pvcMount"]] == [("merflow", workspace)]
        assert package.tasks()[step]["retryPolicy"]["maxRetryCount"] == (3 if step in COMPUTING[name] else 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_cluster_without_gpus_is_asked_for_none(name: str, tmp_path: Path) -> None:
    package = compiled(tmp_path, name, "cluster.accelerator=none")
    assert package.gpus() == {}
    assert [step for step, pod in package.pods().items() if "tolerations" in pod] == []
    assert package.graph() == Package.read(COMPILED / f"{name}.yaml").graph()


@pytest.mark.parametrize("name", NAMES)
def test_what_this_machine_runs_is_the_same_graph_and_asks_for_nothing(name: str, tmp_path: Path) -> None:
    Compiler().compile(PIPELINES[name], str(tmp_path / "here.yaml"))
    here = Package.read(tmp_path / "here.yaml")
    assert here.graph() == here.spec, "no resources, no retries"
    assert here.platform == {}
    assert here.spec == Package.read(COMPILED / f"{name}.yaml").graph()


@pytest.mark.parametrize("name", NAMES)
def test_no_setting_of_the_cluster_touches_what_a_step_is_cached_by(name: str, tmp_path: Path) -> None:
    settings = ["accelerator=amd.com/gpu", "node_selector={pool: speech}", "gpu_node_selector={card: h100}"]
    settings += ["tolerations=[{key: speech, value: yes, effect: NoSchedule}]"]
    settings += [f"pods.{step}.memory_gib=64" for step in ("other", "extract", "train", "run_trials")]
    settings += [f"pods.train.{each}" for each in ("cpu_request=8", "cpu_limit=16", "retries=0", "timeout_h=0")]
    package = compiled(tmp_path, name, *(f"cluster.{each}" for each in settings))
    shipped = Package.read(COMPILED / f"{name}.yaml")
    assert package.graph() == shipped.graph()
    assert package.spec != shipped.spec
    limits = {step: each["resources"]["resourceMemoryLimit"] for step, each in package.containers().items()}
    assert {step for step, memory in limits.items() if memory == "65536Mi"} == limits.keys() - {"transcribe"}
    assert set(package.gpus().values()) == {("amd.com/gpu", "1")}
    for step, pod in package.pods().items():
        labels = {"pool": "speech", "card": "h100"} if step in COMPUTING[name] else {"pool": "speech"}
        assert pod["nodeSelector"] == {"labels": labels}
        taints = ["speech", "nvidia.com/gpu"] if step in COMPUTING[name] else ["speech"]
        assert [each["key"] for each in pod["tolerations"]] == taints


def test_a_pod_of_several_devices_asks_for_as_many_and_its_package_trains_on_them(tmp_path: Path) -> None:
    four = ("training.devices_per_fold=4", "cluster.pods.train.shared_memory_gib=8")
    package = compiled(tmp_path, "benchmark", *four)
    assert package.gpus()["train"] == ("nvidia.com/gpu", "4")
    assert package.gpus()["extract"] == ("nvidia.com/gpu", "1")
    (shared,) = package.pods()["train"]["emptyDirMounts"]
    assert (shared["mountPath"], shared["medium"], shared["sizeLimit"]) == ("/dev/shm", "Memory", "8192Mi")
    inputs = package.spec["root"]["inputDefinitions"]["parameters"]
    assert yaml.safe_load(inputs["params"]["defaultValue"]) == {"training": {"devices_per_fold": 4}}
    assert with_changes(shipped_params(), inputs["params"]["defaultValue"]).training.devices_per_fold == 4
    assert Package.read(tmp_path / "tune.yaml").gpus()["run-trials"] == ("nvidia.com/gpu", "1")


def test_a_step_whose_device_is_the_cpu_asks_for_no_gpu(tmp_path: Path) -> None:
    package = compiled(tmp_path, "benchmark", "features.device=cpu", "transcription.device=cpu")
    assert package.gpus() == {"train": ("nvidia.com/gpu", "1")}


def test_what_is_switched_off_is_not_asked_for(tmp_path: Path) -> None:
    rows = [f"cluster.pods.{step}.timeout_h=0" for step in ("other", "transcribe", "extract", "train")]
    rows += ["cluster.pods.train.retries=0", "cluster.pods.train.shared_memory_gib=0", "cluster.gpu_tolerations=[]"]
    package = compiled(tmp_path, "benchmark", "cluster.pvc=none", *rows)
    assert package.platform == {}
    assert "retryPolicy" not in package.tasks()["train"]


def test_devices_that_a_cluster_does_not_have_are_refused(tmp_path: Path) -> None:
    overrides = ("cluster.accelerator=none", "training.device=cuda", "features.device=cuda")
    with pytest.raises(
        ParamsError, match=r"cluster\.accelerator is none, but these are cuda: features\.device, training\.device"
    ):
        compiled(tmp_path, "benchmark", *overrides)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("accelerator=gpu", "cluster.accelerator: .*write it as nvidia.com/gpu, or none for a cluster without GPUs"),
        ("pvc=My Claim", "cluster.pvc: 'My Claim' cannot be the name of a PVC"),
        ("pods.train.memory=8Gi", "cluster.pods.train.memory: unknown key; did you mean 'memory_gib'?"),
        ("pods.train.memory_gib=8Gi", "cluster.pods.train.memory_gib: .*found '8Gi'"),
        ("pods.training.cpu=4", "cluster.pods.training: unknown key; did you mean 'train'?"),
        ("pods.train.cpu_limit=1", "cluster.pods.train: .*cpu_limit 1 is less than cpu_request 2"),
        (
            "pods.run_trials.shared_memory_gib=17",
            "cluster.pods.run_trials: .*shared_memory_gib 17 is more than memory_gib 16",
        ),
        ("pods.train.retries=-1", "cluster.pods.train.retries: .*greater than or equal to 0"),
        ("tolerations=nvidia.com/gpu", "cluster.tolerations: .*valid list"),
        ("tolerations=[nvidia.com/gpu]", "cluster.tolerations.0: expected a mapping"),
    ],
)
def test_wrong_settings_are_named(override: str, said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        read_params(SHIPPED, overrides=(f"cluster.{override}",))

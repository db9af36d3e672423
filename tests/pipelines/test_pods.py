"""The resources and the placement of pods in compiled packages."""

from pathlib import Path

import pytest
import yaml
from kfp.compiler import Compiler

from merflow.contracts.params_files import shipped_params, with_changes
from merflow.pipelines.packages import COMPILED, PIPELINES
from tests.pipelines.compiled_package import Package, compiled

NAMES = sorted(PIPELINES)
WITH_GPU = [name for name in NAMES if name != "monitor"]
TRAINING = {"benchmark": {"train"}, "promote": {"train", "package"}, "tune": {"run-trials"}, "monitor": set()}
ON_GPU = {name: steps | {"extract", "transcribe"} for name, steps in TRAINING.items()}
LONG = ON_GPU | {"promote": ON_GPU["promote"] | {"register", "gate"}}


@pytest.mark.parametrize("name", WITH_GPU)
def test_a_step_asks_for_a_gpu_only_if_it_will_use_one(name: str, tmp_path: Path) -> None:
    lite = Package.read(COMPILED / f"{name}.yaml")
    assert lite.gpus() == dict.fromkeys(TRAINING[name], ("nvidia.com/gpu", "1"))
    paper = compiled(tmp_path, name, "features.profile=paper")
    assert paper.gpus().keys() == TRAINING[name] | {"extract"}
    everything = compiled(tmp_path, name, "features.profile=paper", transcribe=True)
    assert everything.gpus().keys() == ON_GPU[name]
    assert everything.spec["root"]["inputDefinitions"]["parameters"]["transcribe"]["defaultValue"] is True
    for package in (lite, paper, everything):
        assert {step for step, pod in package.pods().items() if pod.get("tolerations")} == package.gpus().keys()
    assert paper.pods()["extract"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


@pytest.mark.parametrize("name", NAMES)
def test_pods_with_gpus_are_not_evicted_and_take_their_own_labels(name: str, tmp_path: Path) -> None:
    settings = ("labels={team: speech}", "gpu_labels={cost: high}", "annotations={example.com/owner: me}", "queue=gpus")
    package = compiled(tmp_path, name, *(f"cluster.{each}" for each in settings))
    kept = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
    for step, pod in package.pods().items():
        with_gpu = step in TRAINING[name]
        common = {"team": "speech", "kueue.x-k8s.io/queue-name": "gpus"}
        assert pod["podMetadata"]["labels"] == common | ({"cost": "high"} if with_gpu else {})
        assert pod["podMetadata"]["annotations"] == {"example.com/owner": "me"} | (kept if with_gpu else {})


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_has_the_image_the_variables_and_the_secrets(name: str, tmp_path: Path) -> None:
    by_digest = f"registry.example:5000/merflow/python@sha256:{'0' * 64}"
    package = compiled(
        tmp_path,
        name,
        f"cluster.image={by_digest}",
        "cluster.image_pull_secret=registry",
        "cluster.kfp_ui=https://kfp.example/pipeline",
        "cluster.env={HTTPS_PROXY: 'http://proxy:3128'}",
        "cluster.secrets={PGPASSWORD: {secret: optuna, key: password}}",
    )
    for step, container in package.containers().items():
        assert container["image"] == by_digest
        variables = package.environment(step)
        variables.pop("MERFLOW_PACKAGE", None)
        assert variables == {
            "HF_HOME": "/workspace/huggingface",
            "HTTPS_PROXY": "http://proxy:3128",
            "MERFLOW_IMAGE": by_digest,
            "MERFLOW_KFP_UI": "https://kfp.example/pipeline",
        }
        pod = package.pods()[step]
        (run_id,) = pod["fieldPathAsEnv"]
        assert run_id == {"name": "MERFLOW_KFP_RUN_ID", "fieldPath": "metadata.labels['pipeline/runid']"}
        assert "imagePullPolicy" not in pod
        assert [each["secretName"] for each in pod["imagePullSecret"]] == ["registry"]
        (secret,) = pod["secretAsEnv"]
        assert (secret["secretName"], secret["keyToEnv"]) == (
            "optuna",
            [{"envVar": "PGPASSWORD", "secretKey": "password"}],
        )
    by_tag = compiled(tmp_path, name, "cluster.image=registry.example/merflow:1")
    assert {pod["imagePullPolicy"] for pod in by_tag.pods().values()} == {"Always"}
    there = compiled(tmp_path, name, "cluster.env={HF_HOME: /models}")
    assert {there.environment(step)["HF_HOME"] for step in there.containers()} == {"/models"}


def test_folds_that_train_at_once_and_the_life_of_a_finished_run_are_limited(tmp_path: Path) -> None:
    def limits(package: Package) -> list[int]:
        dags = [
            package.spec["root"]["dag"],
            *(each["dag"] for each in package.spec["components"].values() if "dag" in each),
        ]
        policies = [task.get("iteratorPolicy") for dag in dags for task in dag["tasks"].values()]
        return [policy["parallelismLimit"] for policy in policies if policy]

    limited = compiled(tmp_path, "benchmark", "cluster.parallel_folds=4", "cluster.ttl_h=12")
    assert limits(limited) == [4]
    documents = list(yaml.safe_load_all((tmp_path / "benchmark.yaml").read_text()))
    assert documents[1]["platforms"]["kubernetes"]["pipelineConfig"] == {"resourceTtlOnCompletion": 43200}
    assert limits(Package.read(COMPILED / "benchmark.yaml")) == []
    assert limits(compiled(tmp_path, "tune", "cluster.parallel_folds=4")) == [], "workers are not folds"


@pytest.mark.parametrize("name", NAMES)
def test_the_retries_of_a_step_fit_into_their_window(name: str) -> None:
    package = Package.read(COMPILED / f"{name}.yaml")
    for step, task in package.tasks().items():
        policy = task["retryPolicy"]
        backoffs_s = sum(60 * 2**retry for retry in range(policy["maxRetryCount"]))
        attempts_s = (policy["maxRetryCount"] + 1) * int(package.pods()[step]["activeDeadlineSeconds"])
        assert (policy["backoffDuration"], policy["backoffFactor"]) == ("60s", 2.0)
        assert int(policy["backoffMaxDuration"].removesuffix("s")) >= attempts_s + backoffs_s


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
        assert package.tasks()[step]["retryPolicy"]["maxRetryCount"] == (3 if step in LONG[name] else 1)


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


@pytest.mark.parametrize("name", WITH_GPU)
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
        labels = {"pool": "speech", "card": "h100"} if step in package.gpus() else {"pool": "speech"}
        assert pod["nodeSelector"] == {"labels": labels}
        taints = ["speech", "nvidia.com/gpu"] if step in package.gpus() else ["speech"]
        assert [each["key"] for each in pod["tolerations"]] == taints


def test_a_pod_of_several_devices_asks_for_as_many_and_its_package_trains_on_them(tmp_path: Path) -> None:
    four = ("training.devices_per_fold=4", "cluster.pods.train.shared_memory_gib=8")
    package = compiled(tmp_path, "benchmark", *four)
    assert package.gpus()["train"] == ("nvidia.com/gpu", "4")
    (shared,) = package.pods()["train"]["emptyDirMounts"]
    assert (shared["mountPath"], shared["medium"], shared["sizeLimit"]) == ("/dev/shm", "Memory", "8192Mi")
    inputs = package.spec["root"]["inputDefinitions"]["parameters"]
    assert yaml.safe_load(inputs["params"]["defaultValue"])["training"] == {"devices_per_fold": 4}
    assert with_changes(shipped_params(), inputs["params"]["defaultValue"]).training.devices_per_fold == 4
    assert compiled(tmp_path, "tune", *four).gpus()["run-trials"] == ("nvidia.com/gpu", "1")


def test_a_step_whose_device_is_the_cpu_asks_for_no_gpu(tmp_path: Path) -> None:
    devices = ("features.device=cpu", "transcription.device=cpu")
    package = compiled(tmp_path, "benchmark", "features.profile=paper", *devices, transcribe=True)
    assert package.gpus() == {"train": ("nvidia.com/gpu", "1")}


def test_what_is_switched_off_is_not_asked_for(tmp_path: Path) -> None:
    rows = [f"cluster.pods.{step}.timeout_h=0" for step in ("other", "transcribe", "extract", "train")]
    rows += ["cluster.pods.train.retries=0", "cluster.pods.train.shared_memory_gib=0", "cluster.gpu_tolerations=[]"]
    package = compiled(tmp_path, "benchmark", "cluster.pvc=none", "cluster.accelerator=none", *rows)
    assert {field for pod in package.pods().values() for field in pod} == {"fieldPathAsEnv"}
    assert "retryPolicy" not in package.tasks()["train"]


@pytest.mark.parametrize("name", NAMES)
def test_a_workspace_in_s3_gives_every_pod_its_address_and_a_scratch_folder(name: str, tmp_path: Path) -> None:
    package = compiled(
        tmp_path, name, "cluster.pvc=none", "cluster.workspace=s3://runs/team/", "cluster.scratch_gib=40"
    )
    assert package.containers().keys() == package.pods().keys()
    for step, container in package.containers().items():
        variables = {each["name"]: each["value"] for each in container["env"]}
        assert (variables["MERFLOW_WORKSPACE"], variables["MERFLOW_SCRATCH_GIB"]) == ("s3://runs/team", "40")
        mounts = {each["mountPath"]: each.get("sizeLimit") for each in package.pods()[step]["emptyDirMounts"]}
        assert mounts["/workspace"] == "40960Mi"
        assert "pvcMount" not in package.pods()[step]
    unlimited = compiled(tmp_path, name, "cluster.pvc=none", "cluster.workspace=s3://runs/team")
    for pod in unlimited.pods().values():
        (mount,) = [each for each in pod["emptyDirMounts"] if each["mountPath"] == "/workspace"]
        assert "sizeLimit" not in mount
    assert "MERFLOW_WORKSPACE" not in str(Package.read(COMPILED / f"{name}.yaml").spec)


def test_a_profile_of_the_users_own_travels_with_the_package(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text("{base: lite, roles: {text: {name: bert, settings: {model: owner/name, layers: last}}}}")
    package = compiled(tmp_path, "benchmark", f"features.profile={profile}")
    default = package.spec["root"]["inputDefinitions"]["parameters"]["profile"]["defaultValue"]
    assert yaml.safe_load(default)["roles"]["text"]["settings"]["model"] == "owner/name"
    assert package.gpus().keys() == {"extract", "train"}, "it is a network"

"""The Pods of a rehearsal: those that are checked in, and what a cluster demands of them."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp.dsl.executor import Executor

from merflow.components.split import split
from merflow.errors import PipelineError
from merflow.pipelines.lint.package import Package
from merflow.pipelines.packages import COMPILED
from merflow.pipelines.rehearsal.inputs import executor_input
from merflow.pipelines.rehearsal.pod import Manifest, Place, launcher_config_map, pod_manifest
from merflow.pipelines.rehearsal.rehearsal import STORE
from tests.infra import policy
from tools.rehearsal_pods import FOLDER, pods, text

validate = pytest.importorskip("kubernetes_validate").validate
PODS = dict(pods())
PLACE = Place(run="run", namespace="merflow", user=123456, store=STORE)


def test_the_checked_in_pods_are_those_of_the_shipped_packages() -> None:
    """If this fails, run `python -m tools.rehearsal_pods` and look at what changed."""
    checked_in = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")}
    assert len(checked_in) == 41
    assert checked_in == {name: text(pod) for name, pod in PODS.items()}


@pytest.mark.parametrize("name", sorted(PODS))
def test_every_pod_is_valid(name: str) -> None:
    validate(PODS[name], "1.33", strict=True)


def test_the_launcher_is_a_valid_config_map_with_a_name_that_changes_with_it() -> None:
    made = launcher_config_map(PLACE)
    validate(made, "1.33", strict=True)
    assert made["data"]["launcher.py"] == Path(COMPILED.parent / "rehearsal/launcher.py").read_text()


@pytest.mark.parametrize(
    "rule",
    [
        policy.runs_as_nobody,
        policy.gains_no_privileges,
        policy.shares_nothing_with_the_node,
        policy.has_a_read_only_root,
        policy.hides_secrets,
    ],
)
def test_every_pod_meets_the_policy_of_restricted_namespaces(rule: Callable[[list[Manifest]], list[str]]) -> None:
    assert rule(list(PODS.values())) == []


@pytest.mark.parametrize("name", sorted(PODS))
def test_every_pod_has_the_users_id_and_a_volume_for_each_mount(name: str) -> None:
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    for security in (spec["securityContext"], container["securityContext"]):
        assert (security["runAsUser"], security["runAsGroup"]) == (1000680000, 0)
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    assert {"/tmp", "/workspace", "/s3"} <= {mount["mountPath"] for mount in container["volumeMounts"]}


def package(**settings: object) -> Package:
    """Return the shipped package with further settings of the step `train`."""
    read = Package.read(COMPILED / "benchmark.yaml")
    platform = yaml.safe_load(yaml.safe_dump(dict(read.platform)))
    platform["deploymentSpec"]["executors"]["exec-train"].update(settings)
    return dataclasses.replace(read, platform=platform)


def train(read: Package) -> dict[str, Any]:
    return pod_manifest(read.pods["exec-train"], {"inputs": {}}, name="run-train-0", place=PLACE)


def test_secrets_labels_and_the_node_selector_reach_the_pod() -> None:
    secret = {"secretName": "optuna", "keyToEnv": [{"secretKey": "password", "envVar": "PGPASSWORD"}]}
    made = train(
        package(
            secretAsEnv=[secret],
            podMetadata={"labels": {"team": "speech"}, "annotations": {"note": "long"}},
            nodeSelector={"labels": {"gpu": "H100"}},
            imagePullSecret=[{"secretName": "registry"}],
        )
    )
    validate(made, "1.33", strict=True)
    (container,) = made["spec"]["containers"]
    reference = {"secretKeyRef": {"name": "optuna", "key": "password"}}
    assert {"name": "PGPASSWORD", "valueFrom": reference} in container["env"]
    field = {"fieldRef": {"fieldPath": "metadata.labels['pipeline/runid']"}}
    assert {"name": "MERFLOW_KFP_RUN_ID", "valueFrom": field} in container["env"]
    assert made["metadata"]["labels"]["pipeline/runid"] == "run"
    assert made["metadata"]["labels"]["team"] == "speech"
    assert made["metadata"]["annotations"] == {"note": "long"}
    assert made["spec"]["nodeSelector"] == {"gpu": "H100"}
    assert made["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert made["spec"]["activeDeadlineSeconds"] == 48 * 3600


def test_without_a_pvc_the_workspace_is_a_scratch_folder_of_the_pod() -> None:
    made = train(package(pvcMount=[]))
    mounts = {mount["mountPath"]: mount["name"] for mount in made["spec"]["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in made["spec"]["volumes"]}
    assert volumes[mounts["/workspace"]]["emptyDir"] == {}
    assert not any("persistentVolumeClaim" in volume for volume in volumes.values())


def test_settings_that_a_rehearsal_does_not_know_are_refused() -> None:
    with pytest.raises(PipelineError, match="step train has settings that a rehearsal does not know: secretAsVolume"):
        train(package(secretAsVolume=[]))


def test_the_executor_input_is_what_kfps_launcher_gives() -> None:
    read = Package.read(COMPILED / "benchmark.yaml")
    component = read.spec["components"]["comp-split"]
    manifest = {"name": "validated", "uri": "s3://b/m", "type": {"schemaTitle": "system.Dataset"}, "metadata": {}}
    made = executor_input(
        component, parameters={"request": "{}"}, artifacts={"manifest": [manifest]}, root="s3://b/run/split"
    )
    assert made["outputs"]["artifacts"]["splits"]["artifacts"][0]["uri"] == "s3://b/run/split/splits"
    assert made["outputs"]["outputFile"] == "/tmp/kfp_outputs/output_metadata.json"
    executor = Executor(executor_input=json.loads(json.dumps(made)), function_to_execute=split.python_func)
    assert executor.get_input_artifact("manifest").path == "/s3/b/m"
    assert executor.get_output_artifact_path("splits") == "/s3/b/run/split/splits"
    assert executor.get_input_parameter_value("request") == "{}"

"""A pod in podman's terms, on a pod that has everything."""

import copy
from pathlib import Path
from typing import Any

import yaml

from merflow.pipelines.rehearsal.for_podman import for_podman, make_scratch

POD: dict[str, Any] = yaml.safe_load(
    """
apiVersion: v1
kind: Pod
metadata: {name: mlflow, namespace: mlops, labels: {app: mlflow}}
spec:
  serviceAccountName: services
  activeDeadlineSeconds: 60
  nodeSelector: {gpu: H100}
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 0, fsGroup: 5}
  initContainers:
    - name: prepare
      image: one
      command: [sh]
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  containers:
    - name: main
      image: two
      args: ["--to=$(TARGET)", "$(OWN)", "$(NOTHING)"]
      envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: keys}}]
      env:
        - {name: OWN, value: mine}
        - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: a}}}
      ports: [{name: http, containerPort: 5000}, {name: other, containerPort: 1}]
      readinessProbe: {httpGet: {path: /, port: http}}
      securityContext: {runAsUser: 7, readOnlyRootFilesystem: true}
      resources: {requests: {cpu: 250m, nvidia.com/gpu: "1"}, limits: {cpu: "4000", memory: 1Gi}}
      volumeMounts: [{name: files, mountPath: /etc/merflow}, {name: data, mountPath: /data}]
  volumes:
    - {name: tmp, emptyDir: {medium: Memory}}
    - {name: files, configMap: {name: scripts}}
    - {name: data, persistentVolumeClaim: {claimName: disk}}
"""
)


def made(tmp_path: Path, *, restarts: bool = False) -> Any:  # noqa: ANN401 - parts of manifests
    before = copy.deepcopy(POD)
    result = for_podman(
        POD,
        project="p",
        scratch=tmp_path,
        restarts=restarts,
        literals={"TARGET": "s3://b"},
        host_ports={("mlflow", 5000): 40000},
    )
    assert before == POD
    return result


def test_the_user_of_the_pod_reaches_every_container_that_has_none(tmp_path: Path) -> None:
    result = made(tmp_path)
    (init,) = result.inits
    assert init["spec"]["containers"][0]["securityContext"]["runAsUser"] == 10001
    security = result.main["spec"]["containers"][0]["securityContext"]
    assert security == {"runAsNonRoot": True, "runAsUser": 7, "runAsGroup": 0, "readOnlyRootFilesystem": True}
    assert result.group == 5


def test_an_init_container_is_a_pod_that_shares_the_volumes(tmp_path: Path) -> None:
    result = made(tmp_path, restarts=True)
    (init,) = result.inits
    assert init["metadata"]["name"] == "mlflow-prepare"
    assert init["spec"]["restartPolicy"] == "Never"
    assert [volume["name"] for volume in init["spec"]["volumes"]] == ["tmp"]
    assert result.main["spec"]["restartPolicy"] == "Always"
    assert "initContainers" not in result.main["spec"]
    assert init["spec"]["volumes"][0] in result.main["spec"]["volumes"]


def test_an_empty_dir_is_a_folder_in_which_everyone_may_write(tmp_path: Path) -> None:
    result = made(tmp_path)
    assert result.scratch == (tmp_path / "tmp",)
    make_scratch(result.scratch)
    assert (tmp_path / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_names_are_those_that_podman_keeps_for_the_project(tmp_path: Path) -> None:
    result = made(tmp_path)
    (container,) = result.main["spec"]["containers"]
    assert container["envFrom"] == [
        {"configMapRef": {"name": "p-mlops-settings"}},
        {"secretRef": {"name": "p-mlops-keys"}},
    ]
    assert container["env"][1]["valueFrom"]["secretKeyRef"]["name"] == "p-mlops-keys"
    assert result.claims == ("p-mlops-disk",)
    assert "namespace" not in result.main["metadata"]


def test_arguments_are_filled_in_and_unknown_names_stay(tmp_path: Path) -> None:
    assert made(tmp_path).main["spec"]["containers"][0]["args"] == ["--to=s3://b", "mine", "$(NOTHING)"]


def test_what_this_machine_has_not_is_left_out(tmp_path: Path) -> None:
    (container,) = made(tmp_path).main["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}
    assert "readinessProbe" not in container
    assert not {"serviceAccountName", "activeDeadlineSeconds", "nodeSelector"} & made(tmp_path).main["spec"].keys()


def test_only_the_chosen_ports_are_published_and_only_on_this_machine(tmp_path: Path) -> None:
    http, other = made(tmp_path).main["spec"]["containers"][0]["ports"]
    assert http == {"name": "http", "containerPort": 5000, "hostPort": 40000, "hostIP": "127.0.0.1"}
    assert other == {"name": "other", "containerPort": 1}

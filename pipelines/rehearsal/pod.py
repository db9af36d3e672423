"""The Pod of one attempt at a step: a pure function of its executor, its platform settings and its inputs.

It equals the Pod that KFP's backend creates on a cluster with Pod Security ``restricted`` and a read-only root, except
for the launcher (:mod:`merflow.pipelines.rehearsal.launcher`), which reports to the rehearsal instead of KFP's server.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from merflow.errors import PipelineError
from merflow.pipelines.lint.package import Pod

Manifest = dict[str, Any]

RUN_LABEL = "merflow.io/rehearsal"
CONTAINER = "main"  # Argo's name of a pod's container
_LAUNCHER = "/kfp-launcher"
# Folders that KFP makes writable in every pod, and /tmp, which a read-only root would take away. Without a volume,
# /workspace is a scratch folder as well.
_SCRATCH = {"s3": "/s3", "dot-local": "/.local", "dot-cache": "/.cache", "dot-config": "/.config", "tmp": "/tmp"}
_WORKSPACE = "/workspace"
_KNOWN = frozenset(
    {
        *(
            "activeDeadlineSeconds",
            "emptyDirMounts",
            "fieldPathAsEnv",
            "imagePullPolicy",
            "imagePullSecret",
            "nodeSelector",
        ),
        *("podMetadata", "pvcMount", "secretAsEnv", "tolerations"),
    }
)


@dataclass(frozen=True)
class Store:
    """The S3 in which KFP keeps artifacts.

    Attributes:
        endpoint: URL of the server, as pods see it.
        root: ``s3://`` prefix of all artifacts.
        secret: Name of the Secret with its keys.
        access_key: Key of the access key in that Secret.
        secret_key: Key of the secret key in that Secret.
    """

    endpoint: str
    root: str
    secret: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Place:
    """Settings that all pods of a rehearsal share.

    Attributes:
        run: Name of the run, which begins the names of its pods.
        namespace: Namespace of the pods.
        user: User ID that the cluster chose.
        store: KFP's artifacts.
    """

    run: str
    namespace: str
    user: int
    store: Store


def launcher_config_map(place: Place) -> Manifest:
    """Return the ConfigMap with the launcher, under a name that changes with its code."""
    code = files("merflow.pipelines.rehearsal").joinpath("launcher.py").read_text(encoding="utf-8")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": _launcher_name(code), "namespace": place.namespace},
        "data": {"launcher.py": code},
    }


def pod_manifest(executor: Pod, executor_input: Mapping[str, Any], *, name: str, place: Place) -> Manifest:
    """Return the Pod.

    Args:
        executor: The step's executor, from the package.
        executor_input: Its resolved inputs (:mod:`merflow.pipelines.rehearsal.inputs`).
        name: Name of the pod.
        place: Settings that all pods share.

    Raises:
        PipelineError: The package has settings that a rehearsal does not know.
    """
    settings = executor.settings
    if unknown := sorted(settings.keys() - _KNOWN):
        raise PipelineError(
            f"step {executor.name} has settings that a rehearsal does not know: {', '.join(unknown)}; leave them out "
            "of the package, or run it on a cluster"
        )
    metadata = settings.get("podMetadata", {})
    mounts, volumes = _volumes(executor, launcher=launcher_config_map(place)["metadata"]["name"])
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": place.user,
            "runAsGroup": 0,
            "fsGroup": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(executor, executor_input, mounts=mounts, place=place)],
        "volumes": volumes,
    }
    if executor.timeout_s:
        spec["activeDeadlineSeconds"] = executor.timeout_s
    if "nodeSelector" in settings:
        spec["nodeSelector"] = dict(settings["nodeSelector"]["labels"])
    if "tolerations" in settings:
        spec["tolerations"] = [dict(each) for each in settings["tolerations"]]
    if "imagePullSecret" in settings:
        spec["imagePullSecrets"] = [{"name": each["secretName"]} for each in settings["imagePullSecret"]]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": place.namespace,
            "labels": {
                **metadata.get("labels", {}),
                "pipeline/runid": place.run,
                "pipelines.kubeflow.org/v2_component": "true",
                RUN_LABEL: place.run,
            },
            "annotations": dict(metadata.get("annotations", {})),
        },
        "spec": spec,
    }


def _container(executor: Pod, executor_input: Mapping[str, Any], *, mounts: list[Manifest], place: Place) -> Manifest:
    # As JSON, because podman 4.3 writes YAML of its own that it cannot read where a word begins with a line break.
    arguments = [json.dumps(each, separators=(",", ":")) for each in (executor_input, executor.arguments)]
    container: Manifest = {
        "name": CONTAINER,
        "image": executor.container["image"],
        "command": ["python3", f"{_LAUNCHER}/launcher.py"],
        "args": arguments,
        "env": [*_environment(executor, place.store)],
        "resources": _resources(executor),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": place.user,
            "runAsGroup": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    if "imagePullPolicy" in executor.settings:
        container["imagePullPolicy"] = executor.settings["imagePullPolicy"]
    return container


def _environment(executor: Pod, store: Store) -> Iterator[Manifest]:
    for name, value in executor.variables.items():
        yield {"name": name, "value": value}
    for each in executor.settings.get("secretAsEnv", []):
        for pair in each["keyToEnv"]:
            yield _from_secret(pair["envVar"], secret=each["secretName"], key=pair["secretKey"])
    for each in executor.settings.get("fieldPathAsEnv", []):
        yield {"name": each["name"], "valueFrom": {"fieldRef": {"fieldPath": each["fieldPath"]}}}
    yield {"name": "LAUNCHER_S3_ENDPOINT", "value": store.endpoint}
    yield _from_secret("LAUNCHER_S3_ACCESS_KEY", secret=store.secret, key=store.access_key)
    yield _from_secret("LAUNCHER_S3_SECRET_KEY", secret=store.secret, key=store.secret_key)


def _from_secret(name: str, *, secret: str, key: str) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _resources(executor: Pod) -> Manifest:
    """Return requests and limits in Kubernetes' own words."""
    names = {"cpu": "Cpu", "memory": "Memory"}
    found = executor.resources
    wanted: dict[str, Manifest] = {"requests": {}, "limits": {}}
    for resource, word in names.items():
        for kind, suffix in (("requests", "Request"), ("limits", "Limit")):
            if amount := found.get(f"resource{word}{suffix}"):
                wanted[kind][resource] = str(amount)
    if executor.has_gpu:
        accelerator = found["accelerator"]
        wanted["limits"][accelerator["resourceType"]] = str(accelerator["resourceCount"])
    return {kind: amounts for kind, amounts in wanted.items() if amounts}


def _volumes(executor: Pod, *, launcher: str) -> tuple[list[Manifest], list[Manifest]]:
    mounts = [{"name": "launcher", "mountPath": _LAUNCHER, "readOnly": True}]
    volumes: list[Manifest] = [{"name": "launcher", "configMap": {"name": launcher}}]
    scratch = dict(_SCRATCH)
    for number, each in enumerate(executor.settings.get("pvcMount", [])):
        name = f"pvc-{number}"
        mounts.append({"name": name, "mountPath": each["mountPath"]})
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": each["constant"]}})
    for each in executor.settings.get("emptyDirMounts", []):
        limits = {key: each[key] for key in ("medium", "sizeLimit") if each.get(key)}
        mounts.append({"name": each["volumeName"], "mountPath": each["mountPath"]})
        volumes.append({"name": each["volumeName"], "emptyDir": limits})
    if _WORKSPACE not in {mount["mountPath"] for mount in mounts}:
        scratch["workspace-scratch"] = _WORKSPACE
    for name, path in scratch.items():
        if path not in {mount["mountPath"] for mount in mounts}:
            mounts.append({"name": name, "mountPath": path})
            volumes.append({"name": name, "emptyDir": {}})
    return mounts, volumes


def _launcher_name(code: str) -> str:
    return f"kfp-launcher-{hashlib.sha256(code.encode()).hexdigest()[:10]}"

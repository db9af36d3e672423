"""The settings of a deployment on KServe: cluster, resources, scaling, Secrets.

Names and values are those of a Kubernetes pod spec where there is one. They are shipped in ``deployment.yaml``, and a
user's file names only what differs.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from merflow.contracts.cluster import SecretRef, Toleration, refuse_secrets
from merflow.contracts.kubernetes_names import (
    NONE,
    VARIABLE_NAMES,
    Annotations,
    Image,
    Labels,
    ObjectName,
    PvcName,
    ResourceName,
    Variables,
)
from merflow.contracts.passwords import without_password
from merflow.contracts.strict import Strict, parse, read_yaml
from merflow.errors import ParamsError


def _url(address: str) -> str:
    if without_password(address)[1] is not None:
        raise ValueError("the URL contains a password, which a manifest would show; name a Secret instead")
    if not re.fullmatch(r"https?://[^\s@]+", address):
        raise ValueError(f"{address!r} is not an address that pods can call; write it as http://HOST:PORT")
    return address


def _gateway(name: str) -> str:
    if name != NONE and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*", name):
        raise ValueError(f"{name!r} names no Gateway; write it as NAMESPACE/NAME, or none")
    return name


def _host(name: str) -> str:
    if not re.fullmatch(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", name):
        raise ValueError(f"{name!r} is not a host name; write it in lower case, without a scheme: models.example.com")
    return name


Url = Annotated[str, AfterValidator(_url)]


class MlflowAccess(Strict):
    """The MLflow server that pods fetch the package from.

    Attributes:
        uri: Its address within the cluster.
        secret: Secret with ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``; ``none`` for no login.
    """

    uri: Url
    secret: ObjectName


class ServingResources(Strict):
    """Resources of a serving pod.

    Attributes:
        cpu_request: Cores.
        cpu_limit: Cores; None for no limit.
        memory_gib: Memory request, and the limit.
    """

    cpu_request: float = Field(ge=0.01)
    cpu_limit: float | None
    memory_gib: float = Field(ge=0.25)

    @model_validator(mode="after")
    def _consistent(self) -> "ServingResources":
        if self.cpu_limit is not None and self.cpu_limit < self.cpu_request:
            raise ValueError(f"cpu_limit {self.cpu_limit:g} is less than cpu_request {self.cpu_request:g}; raise it")
        return self


class Scaling(Strict):
    """The number of pods.

    Attributes:
        min_replicas: Minimum number of pods; 0 with Knative alone.
        max_replicas: Maximum number of pods.
        concurrency: Target number of open requests per pod for the autoscaler.
        limit: Maximum number of open requests per pod.
    """

    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=1)
    concurrency: int = Field(ge=1)
    limit: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> "Scaling":
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is more than max_replicas {self.max_replicas}")
        if self.concurrency > self.limit:
            raise ValueError(f"concurrency {self.concurrency} is more than limit {self.limit}; raise limit")
        return self


class ServingTimes(Strict):
    """Time limits in seconds.

    Attributes:
        start: Time until a new pod must be ready, excluding the download.
        request: Longest request.
        drain: Time between SIGTERM and the closing of the port.
    """

    start: int = Field(ge=10)
    request: int = Field(ge=1, le=3600)
    drain: int = Field(ge=0)


class DeploymentSettings(Strict):
    """Everything about a deployment except the version; ``deployment.yaml`` explains each key."""

    image: Image
    image_pull_secret: ObjectName
    namespace: ObjectName
    service_account: ObjectName
    user: Annotated[int, Field(ge=1)] | None
    labels: Labels
    annotations: Annotations
    mlflow: MlflowAccess
    api_key: SecretRef | None
    env: Variables
    secrets: Annotated[dict[str, SecretRef], VARIABLE_NAMES]
    encoders_pvc: PvcName
    model_gib: float = Field(gt=0)
    scratch_gib: float = Field(gt=0)
    cpu: ServingResources
    gpu: ServingResources
    accelerator: ResourceName
    node_selector: dict[str, str]
    tolerations: list[Toleration]
    gpu_node_selector: dict[str, str]
    gpu_tolerations: list[Toleration]
    scaling: Scaling
    seconds: ServingTimes
    prometheus: Url
    gateway: Annotated[str, AfterValidator(_gateway)]
    host: Annotated[str, AfterValidator(_host)]

    @model_validator(mode="after")
    def _no_secret_among_variables(self) -> "DeploymentSettings":
        refuse_secrets(self.env, secrets=self.secrets, shown_in="a manifest")
        return self


def read_settings(path: Path | None, *, shipped: Path, changes: Mapping[str, Any]) -> DeploymentSettings:
    """Read the shipped settings, overridden by those of a file and then by those of a mapping.

    Args:
        path: The user's file; None if there is none.
        shipped: merflow's own file.
        changes: Further values that differ.

    Raises:
        ParamsError: The file is missing or not YAML, or with every problem of its values.
    """
    values = read_yaml(shipped, what="settings")
    where = "the options" if path is None else f"settings {path}"
    if path is not None:
        read = read_yaml(path, what="settings")
        if not isinstance(read, Mapping | None):
            raise ParamsError(f"{where} is not a mapping (key: value); name the settings that differ, or leave it out")
        values = _merged(values, read or {})
    return parse(DeploymentSettings, _merged(values, changes), where=where)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        before = result.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = _merged(before, value)
        result[key] = value
    return result

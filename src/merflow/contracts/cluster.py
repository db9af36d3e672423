"""The section ``cluster`` of ``params.yaml``: the resources and the placement of pods.

It is compiled into pipelines and changes no result. Keys and values are those of a Kubernetes pod spec.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from merflow.contracts.strict import Strict

NONE = "none"

_RESOURCE = re.compile(r"[a-z0-9][a-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_PVC = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def _resource(name: str) -> str:
    if name != NONE and not _RESOURCE.fullmatch(name):
        raise ValueError(
            f"{name!r} is not the name of a Kubernetes resource; write it as nvidia.com/gpu, or none for a cluster "
            "without GPUs"
        )
    return name


def _pvc(name: str) -> str:
    if not _PVC.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a PVC; use lower-case letters, digits, '-' and '.', or write none"
        )
    return name


class Toleration(Strict):
    """A toleration as in a pod spec; keys that are left out mean what they mean to Kubernetes.

    Attributes:
        key: Key of the taint; None with ``Exists`` tolerates every taint.
        operator: ``Exists`` tolerates any value of the key, ``Equal`` the given one.
        value: Value of the taint, with ``Equal``.
        effect: Effect of the taint; None tolerates all effects.
    """

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Toleration":
        if self.operator == "Equal" and (self.key is None or self.value is None):
            raise ValueError("operator Equal needs a key and a value; write operator: Exists to tolerate any value")
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f"operator Exists takes no value; leave {self.value!r} out, or write operator: Equal")
        return self


class PodParams(Strict):
    """Resources, retries and the time limit of one step's pods.

    Attributes:
        cpu_request: Cores.
        cpu_limit: Cores; None for no limit.
        memory_gib: Memory request, and the limit.
        shared_memory_gib: Size of ``/dev/shm``, part of the memory; several GPUs of one fold exchange gradients there.
            0 keeps the container's default.
        retries: Number of retries after a failure or a lost node.
        timeout_h: Hours until a pod is ended; 0 for no limit.
    """

    cpu_request: float = Field(ge=0.01)
    cpu_limit: float | None
    memory_gib: float = Field(ge=0.125)
    shared_memory_gib: float = Field(ge=0)
    retries: int = Field(ge=0)
    timeout_h: float = Field(ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "PodParams":
        if self.cpu_limit is not None and self.cpu_limit < self.cpu_request:
            raise ValueError(f"cpu_limit {self.cpu_limit:g} is less than cpu_request {self.cpu_request:g}; raise it")
        if self.shared_memory_gib > self.memory_gib:
            raise ValueError(
                f"shared_memory_gib {self.shared_memory_gib:g} is more than memory_gib {self.memory_gib:g}, which "
                "includes it; raise memory_gib"
            )
        return self


class Pods(Strict):
    """The pods of each step; ``other`` is for every step that has no entry of its own."""

    other: PodParams
    transcribe: PodParams
    extract: PodParams
    train: PodParams
    run_trials: PodParams


class ClusterParams(Strict):
    """The cluster that pipelines are compiled for.

    The number of GPUs is not a setting: it follows from the devices that a step computes on.

    Attributes:
        accelerator: Resource name of the GPUs, or ``none``.
        pvc: PVC (ReadWriteMany) that every pod mounts at ``/workspace``; ``none`` mounts nothing.
        node_selector: Node labels, for all pods.
        tolerations: Tolerations of all pods.
        gpu_node_selector: Further node labels, for pods with GPUs.
        gpu_tolerations: Further tolerations, of pods with GPUs.
        pods: Resources of each step's pods.
    """

    accelerator: Annotated[str, AfterValidator(_resource)]
    pvc: Annotated[str, AfterValidator(_pvc)]
    node_selector: dict[str, str]
    tolerations: list[Toleration]
    gpu_node_selector: dict[str, str]
    gpu_tolerations: list[Toleration]
    pods: Pods


_AS_IN_A_POD = "in the form of a pod spec, for example [{key: nvidia.com/gpu, operator: Exists}]"
_STEPS = ("other", "transcribe", "extract", "train", "run_trials")
# Keys of earlier versions -> today's keys, with a note after a comma.
RENAMED = {
    "cluster.claim": "cluster.pvc",
    "cluster.nodes": "cluster.node_selector",
    "cluster.taints": f"cluster.tolerations, {_AS_IN_A_POD}",
    "cluster.gpu_nodes": "cluster.gpu_node_selector",
    "cluster.gpu_taints": f"cluster.gpu_tolerations, {_AS_IN_A_POD}",
    "cluster.pods.tune": "cluster.pods.run_trials",
    **{f"cluster.pods.{step}.cpu": f"cluster.pods.{step}.cpu_request" for step in _STEPS},
}

"""The section ``cluster`` of ``params.yaml``: what pods ask for. Part of compiled pipelines, and of no result."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from merflow.contracts.strict import Strict

NONE = "none"

_RESOURCE = re.compile(r"[a-z0-9][a-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_CLAIM = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def _resource(name: str) -> str:
    if name != NONE and not _RESOURCE.fullmatch(name):
        raise ValueError("no name of a Kubernetes resource; write it as nvidia.com/gpu, or none for a cluster without")
    return name


def _claim(name: str) -> str:
    if not _CLAIM.fullmatch(name):
        raise ValueError("no name of a volume claim: lower-case letters, digits, - and . alone; or none")
    return name


class PodParams(Strict):
    """What the pod of a step asks for.

    Attributes:
        cpu: Cores that are kept for it.
        cpu_limit: Cores that it may use at most; None for as many as its node has to spare.
        memory_gib: Kept for it, and the most that it may use.
        shared_memory_gib: What of it ``/dev/shm`` may take, where GPUs of a fold meet; 0 leaves the container's own.
        retries: How often the step is tried again after it failed or its node was lost.
        timeout_h: A pod that runs for longer is ended; 0 for none.
    """

    cpu: float = Field(ge=0.01)
    cpu_limit: float | None
    memory_gib: float = Field(ge=0.125)
    shared_memory_gib: float = Field(ge=0)
    retries: int = Field(ge=0)
    timeout_h: float = Field(ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "PodParams":
        if self.cpu_limit is not None and self.cpu_limit < self.cpu:
            raise ValueError(f"cpu_limit {self.cpu_limit:g} is less than cpu {self.cpu:g}")
        if self.shared_memory_gib > self.memory_gib:
            raise ValueError(
                f"shared_memory_gib {self.shared_memory_gib:g} is more than memory_gib {self.memory_gib:g}, "
                "of which it is a part"
            )
        return self


class Pods(Strict):
    """Pods by step; ``other`` are those of every step that is not named."""

    other: PodParams
    transcribe: PodParams
    extract: PodParams
    train: PodParams
    tune: PodParams


class ClusterParams(Strict):
    """What a cluster offers to pods, and what they ask of it.

    How many GPUs a pod asks for is no setting of its own: it follows from the devices that its step computes on.

    Attributes:
        accelerator: Resource by which pods ask for GPUs, or ``none``.
        claim: Volume claim (ReadWriteMany) that every pod mounts at ``/workspace``; ``none`` mounts nothing.
        nodes: Labels that the nodes of all pods must have.
        taints: Keys of taints that all pods bear, whatever their value and effect.
        gpu_nodes: As ``nodes``, of pods that ask for a GPU, in addition.
        gpu_taints: As ``taints``, of pods that ask for a GPU, in addition.
    """

    accelerator: Annotated[str, AfterValidator(_resource)]
    claim: Annotated[str, AfterValidator(_claim)]
    nodes: dict[str, str]
    taints: list[str]
    gpu_nodes: dict[str, str]
    gpu_taints: list[str]
    pods: Pods

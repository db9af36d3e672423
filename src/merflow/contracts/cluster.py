"""The section ``cluster`` of ``params.yaml``: the resources and the placement of pods.

It is compiled into pipelines and does not affect results. Keys and values are those of a Kubernetes pod spec.
"""

import re
from collections.abc import Container, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from merflow.contracts.kubernetes_names import (
    NONE,
    VARIABLE_NAMES,
    Annotations,
    Image,
    Labels,
    ObjectName,
    PageAddress,
    PvcName,
    ResourceName,
    SecretKey,
    Variables,
)
from merflow.contracts.passwords import without_password
from merflow.contracts.strict import Strict
from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address

# The shared folder of a run's steps, as mounted in every pod.
WORKSPACE = "/workspace"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
# Names of environment variables whose values are secrets; those that name a file are not.
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|ACCESS_?KEY|API_?KEY|(^|_)TOKEN(_|$)")
_FILE_NAME = re.compile(r"_(FILE|PATH)$")


def is_secret_name(variable: str) -> bool:
    """Return True if the value of an environment variable of this name is a secret."""
    name = variable.upper()
    return bool(_SECRET_NAME.search(name)) and not _FILE_NAME.search(name)


def refuse_secrets(env: Mapping[str, str], *, secrets: Container[str], shown_in: str) -> None:
    """Check variables whose values anyone can read.

    Args:
        env: Value of each variable.
        secrets: Variables that come from Secrets.
        shown_in: Document that shows the values.

    Raises:
        ValueError: A value is a secret, or a variable is also in ``secrets``.
    """
    for name, value in env.items():
        if name in secrets:
            raise ValueError(f"{name} is in env and in secrets; remove it from env")
        if is_secret_name(name) or without_password(value)[1] is not None:
            raise ValueError(
                f"env.{name} contains a secret, which {shown_in} would show to everyone who may read it; write "
                f"secrets: {{{name}: {{secret: NAME_OF_SECRET, key: KEY_IN_IT}}}}"
            )


def _address(text: str) -> str:
    if text == NONE:
        return text
    try:
        return str(S3Address.parse(text))
    except StorageError as error:
        raise ValueError(f"{error}, or none") from error


WorkspaceAddress = Annotated[str, AfterValidator(_address)]


class Toleration(Strict):
    """A toleration as in a pod spec; omitted keys have Kubernetes' meaning.

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
        retries: Number of retries after a container failed; Argo does not retry a deleted pod.
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
    """The pods of each step; ``other`` is for all steps without an entry."""

    other: PodParams
    transcribe: PodParams
    extract: PodParams
    train: PodParams
    run_trials: PodParams


class SecretRef(Strict):
    """A key of a Secret in the namespace of the runs.

    Attributes:
        secret: Name of the Secret.
        key: Key in it whose value a pod receives.
    """

    secret: ObjectName
    key: SecretKey


class ClusterParams(Strict):
    """The cluster that pipelines are compiled for.

    The number of GPUs is not a setting: it depends on the devices that a step computes on.

    Attributes:
        image: Image of every step, with its registry and its digest or tag.
        compiler: True if the image has a C compiler, which ``training.compile`` needs; merflow's own has none.
        image_pull_secret: Secret with the credentials of the registry; ``none`` for a registry that needs none.
        accelerator: Resource name of the GPUs, or ``none``.
        pvc: PVC (ReadWriteMany) that every pod mounts at ``/workspace``; ``none`` mounts nothing.
        workspace: Address of the workspace in S3, which needs no volume: every pod then has a scratch folder at
            ``/workspace``; ``none`` for a workspace on a volume.
        scratch_gib: Size limit of the scratch folder; 0 for none.
        env: Environment variables of all pods; anyone who can read a package can see them.
        secrets: Environment variables of all pods whose values come from Secrets.
        labels: Labels of all pods.
        annotations: Annotations of all pods.
        gpu_labels: Further labels of pods with GPUs.
        service_account: Service account of the runs, set when a run is submitted; ``none`` for KFP's default.
        kfp_ui: URL of KFP's UI, for links in MLflow; ``none`` for no links.
        queue: Kueue's LocalQueue that admits the pods; ``none`` for clusters without Kueue.
        parallel_folds: Folds that train at the same time; 0 for no limit.
        ttl_h: Hours until a finished run's workflow and its pods are deleted; 0 for KFP's own limit.
        node_selector: Node labels, for all pods.
        tolerations: Tolerations of all pods.
        gpu_node_selector: Further node labels, for pods with GPUs.
        gpu_tolerations: Further tolerations, of pods with GPUs.
        pods: Resources of each step's pods.
    """

    image: Image
    compiler: bool
    image_pull_secret: ObjectName
    accelerator: ResourceName
    pvc: PvcName
    workspace: WorkspaceAddress
    scratch_gib: float = Field(ge=0)
    env: Variables
    secrets: Annotated[dict[str, SecretRef], VARIABLE_NAMES]
    labels: Labels
    annotations: Annotations
    gpu_labels: Labels
    service_account: ObjectName
    kfp_ui: PageAddress
    queue: ObjectName
    parallel_folds: int = Field(ge=0)
    ttl_h: float = Field(ge=0)
    node_selector: dict[str, str]
    tolerations: list[Toleration]
    gpu_node_selector: dict[str, str]
    gpu_tolerations: list[Toleration]
    pods: Pods

    @model_validator(mode="after")
    def _one_workspace(self) -> "ClusterParams":
        if self.workspace != NONE and self.pvc != NONE:
            raise ValueError(
                f"workspace {self.workspace} is in S3, but pvc {self.pvc} would be mounted in its place; set pvc: none"
            )
        if self.scratch_gib and self.workspace == NONE:
            raise ValueError("scratch_gib limits the scratch folder of a workspace in S3; set it to 0 or set workspace")
        return self

    @model_validator(mode="after")
    def _no_secret_among_variables(self) -> "ClusterParams":
        refuse_secrets(self.env, secrets=self.secrets, shown_in="a package")
        return self


_AS_IN_A_POD = "in the form of a pod spec, for example [{key: nvidia.com/gpu, operator: Exists}]"
_STEPS = ("other", "transcribe", "extract", "train", "run_trials")
# Keys of earlier versions -> current keys, with a note after a comma.
RENAMED = {
    "cluster.claim": "cluster.pvc",
    "cluster.nodes": "cluster.node_selector",
    "cluster.taints": f"cluster.tolerations, {_AS_IN_A_POD}",
    "cluster.gpu_nodes": "cluster.gpu_node_selector",
    "cluster.gpu_taints": f"cluster.gpu_tolerations, {_AS_IN_A_POD}",
    "cluster.pods.tune": "cluster.pods.run_trials",
    **{f"cluster.pods.{step}.cpu": f"cluster.pods.{step}.cpu_request" for step in _STEPS},
}

"""What the pods of a compiled pipeline ask a cluster for.

A graph is given these when it is compiled, not as parameters of its runs. KFP keys its cache by all parameters of a
step, so that another kind of GPU would train every fold anew; and within a loop its compiler (2.17) does not hand a
resource's parameter on to the step that asks for it. A graph that runs on this machine asks for nothing.
"""

import functools
from collections.abc import Callable
from typing import Any

from kfp import dsl
from kfp.dsl.pipeline_context import Pipeline
from kfp.dsl.pipeline_task import PipelineTask

from merflow.contracts.cluster import NONE, PodParams
from merflow.contracts.params import Params
from merflow.errors import ParamsError, PipelineError

WORKSPACE = "/workspace"
_BACKOFF = "60s"  # before the first retry; it doubles from one to the next


def on_cluster(pipeline: Any, params: Params) -> Any:  # noqa: ANN401 - kfp has no types
    """The same pipeline, each of whose pods asks for what its step needs.

    Raises:
        ParamsError: The parameters ask for devices that the cluster has not.
        PipelineError: kfp-kubernetes is not installed.
    """
    counts = gpus(params)
    draw: Callable[..., Any] = pipeline.pipeline_func

    @functools.wraps(draw)
    def drawn(*channels: Any) -> Any:  # noqa: ANN401
        outputs = draw(*channels)
        for task in Pipeline.get_default_pipeline().tasks.values():
            _equip(task, params=params, gpu_count=counts.get(task.component_spec.name, 0))
        return outputs

    return dsl.pipeline(name=pipeline.name, description=pipeline.description)(drawn)


def gpus(params: Params) -> dict[str, int]:
    """By step the GPUs that its pod asks for, which are the devices that it computes on; no other step computes.

    Raises:
        ParamsError: A step is to compute on a GPU, and the cluster has none.
    """
    devices = {
        "transcribe": ("transcription", params.transcription.device, 1),
        "extract": ("features", params.features.device, 1),
        "train": ("training", params.training.device, params.training.devices_per_fold),
        "tune": ("training", params.training.device, 1),  # a worker's trials train on one device
    }
    if params.cluster.accelerator != NONE:
        return {step: 0 if device == "cpu" else count for step, (_, device, count) in devices.items()}
    sections = sorted({section for section, device, _ in devices.values() if device == "cuda"})
    if sections:
        asked = ", ".join(f"{section}.device" for section in sections)
        raise ParamsError(
            f"{asked} is cuda, but cluster.accelerator is none: set it to cpu or auto, or name the resource by which "
            "pods ask for GPUs, for example nvidia.com/gpu"
        )
    return dict.fromkeys(devices, 0)


def _equip(task: PipelineTask, *, params: Params, gpu_count: int) -> None:
    kubernetes, cluster = _kubernetes(), params.cluster
    pod: PodParams = dict(cluster.pods).get(task.component_spec.name, cluster.pods.other)
    task.set_cpu_request(f"{pod.cpu:g}").set_memory_request(_mib(pod.memory_gib)).set_memory_limit(_mib(pod.memory_gib))
    if pod.cpu_limit is not None:
        task.set_cpu_limit(f"{pod.cpu_limit:g}")
    if gpu_count:
        task.set_accelerator_type(cluster.accelerator).set_accelerator_limit(gpu_count)
    if pod.retries:
        task.set_retry(pod.retries, backoff_duration=_BACKOFF)
    if pod.timeout_h:
        kubernetes.set_timeout(task, round(pod.timeout_h * 3600))
    if pod.shared_memory_gib:
        size = _mib(pod.shared_memory_gib)
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory", size_limit=size)
    if cluster.claim != NONE:
        kubernetes.mount_pvc(task, cluster.claim, WORKSPACE)
    for label, value in (cluster.nodes | (cluster.gpu_nodes if gpu_count else {})).items():
        kubernetes.add_node_selector(task, label, value)
    for taint in dict.fromkeys(cluster.taints + (cluster.gpu_taints if gpu_count else [])):
        kubernetes.add_toleration(task, key=taint, operator="Exists")


def _mib(gib: float) -> str:
    return f"{round(gib * 1024)}Mi"


def _kubernetes() -> Any:  # noqa: ANN401 - a module
    try:
        from kfp import kubernetes
    except ImportError as error:
        raise PipelineError(
            f"packages for a cluster need kfp-kubernetes ({error}); install merflow[pipelines]"
        ) from error
    return kubernetes

"""Resources and placement of the pods of a compiled pipeline.

A graph receives them when it is compiled, not as parameters of its runs, for two reasons. KFP's cache keys a step by
all of its parameters, so another kind of GPU would train every fold again. And inside a loop, kfp 2.17 does not hand a
resource's parameter on to the step that requests it. A graph that runs on this machine requests nothing.
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
_BACKOFF = "60s"  # before the first retry; it doubles with every further one


def on_cluster(pipeline: Any, params: Params) -> Any:  # noqa: ANN401 - kfp has no types
    """Return the same pipeline with resources and placement for every pod.

    Raises:
        ParamsError: The parameters use devices that the cluster does not have.
        PipelineError: kfp-kubernetes is not installed.
    """
    counts = gpus(params)
    draw: Callable[..., Any] = pipeline.pipeline_func

    @functools.wraps(draw)
    def drawn(*channels: Any) -> Any:  # noqa: ANN401
        outputs = draw(*channels)
        for task in Pipeline.get_default_pipeline().tasks.values():
            _equip(task, params=params, gpu_count=counts.get(_step(task), 0))
        return outputs

    return dsl.pipeline(name=pipeline.name, description=pipeline.description)(drawn)


def gpus(params: Params) -> dict[str, int]:
    """Return for each step the GPUs that its pod requests: the devices that it computes on.

    Steps that are not listed compute on no device.

    Raises:
        ParamsError: A step is set to compute on a GPU, but the cluster has none.
    """
    devices = {
        "transcribe": ("transcription", params.transcription.device, 1),
        "extract": ("features", params.features.device, 1),
        "train": ("training", params.training.device, params.training.devices_per_fold),
        "run_trials": ("training", params.training.device, 1),  # a worker's trials train on one device
    }
    if params.cluster.accelerator != NONE:
        return {step: 0 if device == "cpu" else count for step, (_, device, count) in devices.items()}
    sections = sorted({section for section, device, _ in devices.values() if device == "cuda"})
    if sections:
        keys = ", ".join(f"{section}.device" for section in sections)
        raise ParamsError(
            f"cluster.accelerator is none, but these are cuda: {keys}; set them to cpu or auto, or set "
            "cluster.accelerator to the resource name of the GPUs, for example nvidia.com/gpu"
        )
    return dict.fromkeys(devices, 0)


def _step(task: PipelineTask) -> str:
    """Return the name of a task's component; KFP writes it with hyphens."""
    name: str = task.component_spec.name
    return name.replace("-", "_")


def _equip(task: PipelineTask, *, params: Params, gpu_count: int) -> None:
    kubernetes, cluster = _kubernetes(), params.cluster
    pod: PodParams = dict(cluster.pods).get(_step(task), cluster.pods.other)
    memory = _mib(pod.memory_gib)
    task.set_cpu_request(f"{pod.cpu_request:g}").set_memory_request(memory).set_memory_limit(memory)
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
    if cluster.pvc != NONE:
        kubernetes.mount_pvc(task, cluster.pvc, WORKSPACE)
    for label, value in (cluster.node_selector | (cluster.gpu_node_selector if gpu_count else {})).items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in dict.fromkeys(cluster.tolerations + (cluster.gpu_tolerations if gpu_count else [])):
        kubernetes.add_toleration(task, **toleration.model_dump(exclude_none=True))


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

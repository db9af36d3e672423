"""Resources, placement, environment and metadata of the pods of a compiled pipeline.

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
from kfp.dsl.tasks_group import ParallelFor, TasksGroup

from merflow.contracts import pod_environment
from merflow.contracts.cluster import QUEUE_LABEL, WORKSPACE, ClusterParams, PodParams
from merflow.contracts.gpu_steps import SECTIONS, device_of_step, gpus_used
from merflow.contracts.kubernetes_names import NONE, image_digest, image_registry
from merflow.contracts.package_facts import VARIABLE, PackageFacts
from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderProfile
from merflow.errors import ParamsError, PipelineError
from merflow.pipelines.preparation import FOLDS
from merflow.runs.remote.location import ADDRESS, LIMIT

CACHE_OF_HUB = f"{WORKSPACE}/huggingface"
# Argo does not retry a deleted pod, so autoscalers must leave a pod with hours of work where it is.
DO_NOT_EVICT = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
_BACKOFF_S = 60  # before the first retry; it doubles with every further one
_PENDING_S = 24 * 3600  # a pod may wait this long for a node
_UNLIMITED_S = 365 * 24 * 3600
# Steps whose pods are those of another one: a refit trains, and registration and gate load the encoders.
_LIKE = {"package": "train", "register": "extract", "gate": "extract"}


def on_cluster(pipeline: Any, params: Params, facts: PackageFacts) -> Any:  # noqa: ANN401 - kfp has no types
    """Return the same pipeline with the settings of ``params.cluster`` for every pod.

    Args:
        pipeline: The graph.
        params: The parameters.
        facts: Facts about the package, with the GPUs of every step.

    Raises:
        PipelineError: kfp-kubernetes is not installed.
    """
    cluster = params.cluster
    draw: Callable[..., Any] = pipeline.pipeline_func

    @functools.wraps(draw)
    def drawn(*channels: Any) -> Any:  # noqa: ANN401
        outputs = draw(*channels)
        graph = Pipeline.get_default_pipeline()
        _limit_folds(graph.groups[0], cluster.parallel_folds)
        for task in graph.tasks.values():
            step = _step(task)
            _equip(task, params=params, gpu_count=facts.gpus.get(step, 0))
            if step.startswith("plan_"):
                task.set_env_variable(VARIABLE, facts.model_dump_json())
        return outputs

    ttl_s = round(cluster.ttl_h * 3600)
    config = dsl.PipelineConfig(ttl_seconds_after_finished=ttl_s) if ttl_s else None
    return dsl.pipeline(name=pipeline.name, description=pipeline.description, pipeline_config=config)(drawn)


def gpus(params: Params, *, profile: EncoderProfile, transcribe: bool) -> dict[str, int]:
    """Return for each step the GPUs that its pod requests: the devices that it computes on.

    Steps that are not listed compute on no device.

    Raises:
        ParamsError: A step is set to compute on a GPU, but the cluster has none.
    """
    used = gpus_used(params, profile=profile, transcribe=transcribe)
    if params.cluster.accelerator != NONE:
        return used
    sections = sorted({section for step, section in SECTIONS.items() if device_of_step(step, params) == "cuda"})
    if sections:
        keys = ", ".join(f"{section}.device" for section in sections)
        raise ParamsError(
            f"cluster.accelerator is none, but these are cuda: {keys}; set them to cpu or auto, or set "
            "cluster.accelerator to the resource name of the GPUs, for example nvidia.com/gpu"
        )
    return dict.fromkeys(used, 0)


def retry_window_s(pod: PodParams) -> int:
    """Return the seconds within which all attempts of a step fit, counted from the start of the first.

    Argo counts the waiting for a node, too, and does not begin a retry after this time.
    """
    if not pod.timeout_h:
        return _UNLIMITED_S
    attempts = pod.retries + 1
    backoffs_s = sum(_BACKOFF_S << retry for retry in range(pod.retries))
    return attempts * (round(pod.timeout_h * 3600) + _PENDING_S) + backoffs_s


def _limit_folds(group: TasksGroup, limit: int) -> None:
    for inner in group.groups:
        if limit and isinstance(inner, ParallelFor) and inner.display_name == FOLDS:
            inner.parallelism_limit = limit
        _limit_folds(inner, limit)


def _step(task: PipelineTask) -> str:
    """Return the name of a task's component; KFP writes it with hyphens."""
    name: str = task.component_spec.name
    return name.replace("-", "_")


def _equip(task: PipelineTask, *, params: Params, gpu_count: int) -> None:
    cluster = params.cluster
    step = _step(task)
    pod: PodParams = dict(cluster.pods).get(_LIKE.get(step, step), cluster.pods.other)
    _request(task, pod, accelerator=cluster.accelerator, gpu_count=gpu_count)
    _place(task, cluster, with_gpu=gpu_count > 0)
    _label(task, cluster, with_gpu=gpu_count > 0)
    _set_environment(task, cluster)


def _request(task: PipelineTask, pod: PodParams, *, accelerator: str, gpu_count: int) -> None:
    """Set resources, retries and the time limit."""
    kubernetes = _kubernetes()
    memory = _mib(pod.memory_gib)
    task.set_cpu_request(f"{pod.cpu_request:g}").set_memory_request(memory).set_memory_limit(memory)
    if pod.cpu_limit is not None:
        task.set_cpu_limit(f"{pod.cpu_limit:g}")
    if gpu_count:
        task.set_accelerator_type(accelerator).set_accelerator_limit(gpu_count)
    if pod.retries:
        window = f"{retry_window_s(pod)}s"
        task.set_retry(pod.retries, backoff_duration=f"{_BACKOFF_S}s", backoff_max_duration=window)
    if pod.timeout_h:
        kubernetes.set_timeout(task, round(pod.timeout_h * 3600))
    if pod.shared_memory_gib:
        size = _mib(pod.shared_memory_gib)
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory", size_limit=size)


def _place(task: PipelineTask, cluster: ClusterParams, *, with_gpu: bool) -> None:
    """Set the image, the volume and the nodes."""
    kubernetes = _kubernetes()
    task.set_container_image(cluster.image)
    if image_registry(cluster.image) and not image_digest(cluster.image):
        kubernetes.set_image_pull_policy(task, "Always")  # the tag may have been pushed again since a node pulled it
    if cluster.image_pull_secret != NONE:
        kubernetes.set_image_pull_secrets(task, [cluster.image_pull_secret])
    if cluster.pvc != NONE:
        kubernetes.mount_pvc(task, cluster.pvc, WORKSPACE)
    if cluster.workspace != NONE:
        limit = _mib(cluster.scratch_gib) if cluster.scratch_gib else None
        kubernetes.empty_dir_mount(task, "workspace", WORKSPACE, size_limit=limit)
    for label, value in (cluster.node_selector | (cluster.gpu_node_selector if with_gpu else {})).items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in dict.fromkeys(cluster.tolerations + (cluster.gpu_tolerations if with_gpu else [])):
        kubernetes.add_toleration(task, **toleration.model_dump(exclude_none=True))


def _label(task: PipelineTask, cluster: ClusterParams, *, with_gpu: bool) -> None:
    """Set labels and annotations."""
    kubernetes = _kubernetes()
    queue = {} if cluster.queue == NONE else {QUEUE_LABEL: cluster.queue}
    for key, value in (cluster.labels | (cluster.gpu_labels if with_gpu else {}) | queue).items():
        kubernetes.add_pod_label(task, key, value)
    for key, value in ((DO_NOT_EVICT if with_gpu else {}) | cluster.annotations).items():
        kubernetes.add_pod_annotation(task, key, value)


def _set_environment(task: PipelineTask, cluster: ClusterParams) -> None:
    """Set the environment variables.

    Models of the Hugging Face hub are downloaded into the workspace, once. The id of the run is a field of the pod: as
    a value it would be part of KFP's cache key, and no step would ever be reused.
    """
    links = {} if cluster.kfp_ui == NONE else {pod_environment.KFP_UI: cluster.kfp_ui}
    own = {"HF_HOME": CACHE_OF_HUB, pod_environment.IMAGE: cluster.image, **links}
    remote = {} if cluster.workspace == NONE else {ADDRESS: cluster.workspace}
    if cluster.scratch_gib:
        remote[LIMIT] = f"{cluster.scratch_gib:g}"
    for name, value in (own | cluster.env | remote).items():
        task.set_env_variable(name, value)
    _kubernetes().use_field_path_as_env(task, pod_environment.KFP_RUN_ID, pod_environment.KFP_RUN_ID_FIELD)
    for name, ref in cluster.secrets.items():
        _kubernetes().use_secret_as_env(task, secret_name=ref.secret, secret_key_to_env={ref.key: name})


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

"""Rules about pods: resources, retries, placement and volumes."""

import re
from collections.abc import Iterator

from merflow.contracts.cluster import WORKSPACE
from merflow.pipelines.lint.package import Package
from merflow.runs.remote.location import ADDRESS

Problems = Iterator[tuple[str, str]]

_KEPT = ("cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt")
_KFPS_WINDOW_S = 3600
_MODES = "accessModes"


def memory_limits(package: Package) -> Problems:
    """Yield steps without a memory limit."""
    for task, pod in package.steps:
        if not pod.resources.get("resourceMemoryLimit"):
            yield task.path, "has no memory limit"


def cpu_requests(package: Package) -> Problems:
    """Yield steps that request no CPU."""
    for task, pod in package.steps:
        if not pod.resources.get("resourceCpuRequest"):
            yield task.path, "requests no CPU"


def gpu_counts(package: Package) -> Problems:
    """Yield pods with a GPU whose number or kind is missing."""
    for task, pod in package.steps:
        gpu = pod.resources.get("accelerator", {})
        if pod.has_gpu and not (gpu.get("resourceType") and str(gpu.get("resourceCount", "")).isdigit()):
            yield task.path, "requests a GPU without its resource name or number"


def gpu_tolerations(package: Package) -> Problems:
    """Yield pods with GPUs but without tolerations for the taints of GPU nodes."""
    for task, pod in package.steps:
        if pod.has_gpu and not pod.settings.get("tolerations"):
            yield task.path, "requests a GPU and has no tolerations"


def gpu_timeouts(package: Package) -> Problems:
    """Yield pods with GPUs but without a time limit."""
    for task, pod in package.steps:
        if pod.has_gpu and not pod.timeout_s:
            yield task.path, "requests a GPU and has no time limit"


def gpu_retries(package: Package) -> Problems:
    """Yield steps with GPUs that are not retried."""
    for task, pod in package.steps:
        if pod.has_gpu and not task.spec.get("retryPolicy", {}).get("maxRetryCount"):
            yield task.path, "requests a GPU and has no retries"


def gpu_evictions(package: Package) -> Problems:
    """Yield pods with GPUs that an autoscaler may delete, which Argo does not retry."""
    for task, pod in package.steps:
        annotations = pod.settings.get("podMetadata", {}).get("annotations", {})
        missing = [key for key in _KEPT if key not in annotations]
        if pod.has_gpu and missing:
            yield task.path, f"requests a GPU and has no annotation {' or '.join(missing)}"


def retry_windows(package: Package) -> Problems:
    """Yield steps whose last retry would start after Argo's window, which starts with the first attempt."""
    for task, pod in package.steps:
        policy = task.spec.get("retryPolicy", {})
        retries = int(policy.get("maxRetryCount", 0))
        if not retries:
            continue
        window_s = _seconds(policy.get("backoffMaxDuration", ""))
        first_s, factor = _seconds(policy.get("backoffDuration", "")), float(policy.get("backoffFactor", 1))
        needed_s = (retries + 1) * pod.timeout_s + sum(first_s * factor**retry for retry in range(retries))
        if pod.timeout_s and window_s < needed_s:
            yield (
                task.path,
                f"may need {needed_s:.0f} s for {retries} retries, and no retry begins after {window_s:.0f} s",
            )
        elif not pod.timeout_s and window_s <= _KFPS_WINDOW_S:
            yield task.path, f"has no time limit, and no retry begins after {window_s:.0f} s"


def _seconds(duration: str) -> float:
    found = re.fullmatch(r"([\d.]+)s", duration)
    return float(found[1]) if found else 0.0


def access_modes(package: Package) -> Problems:
    """Yield a KFP workspace whose volume has no access modes; compile accepts it, but the server refuses it."""
    workspace = package.platform.get("pipelineConfig", {}).get("workspace")
    if workspace is not None and not workspace.get("kubernetes", {}).get("pvcSpecPatch", {}).get(_MODES):
        yield "pipelineConfig.workspace", f"has no {_MODES}"


def scratch_folders(package: Package) -> Problems:
    """Yield pods of a workspace in S3 that have no scratch folder, or a volume instead of it."""
    for task, pod in package.steps:
        if not pod.variables.get(ADDRESS):
            continue
        folders = [each.get("mountPath") for each in pod.settings.get("emptyDirMounts", [])]
        if WORKSPACE not in folders:
            yield task.path, f"has its workspace in S3 and no emptyDir at {WORKSPACE}"
        if any(each.get("mountPath") == WORKSPACE for each in pod.settings.get("pvcMount", [])):
            yield task.path, f"has its workspace in S3 and a PVC at {WORKSPACE}"


def constant_names(package: Package) -> Problems:
    """Yield volumes and Secrets named by a parameter within loops or conditions (#12617, #13078)."""
    for task, pod in package.steps:
        sources = [each.get("pvcNameParameter", {}) for each in pod.settings.get("pvcMount", [])]
        sources += [each.get("secretNameParameter", {}) for each in pod.settings.get("secretAsEnv", [])]
        named = all("runtimeValue" in source or not source for source in sources)
        if not named and (task.in_loop or task.in_condition):
            yield task.path, "takes the name of a volume or Secret from a parameter within a loop or condition"

"""KServe's InferenceService (``serving.kserve.io/v1beta1``) with a container of merflow as its predictor."""

from typing import Any

from merflow.promotion.deployment.plan import Plan, ServedVersion
from merflow.promotion.deployment.pod import Manifest, pod_fields

APP = "merflow-serve"  # the label that network policies and the PodMonitor select
_DEPLOYMENT_MODE = {"knative": "Knative", "standard": "Standard"}
# Prometheus turns the label serving.kserve.io/inferenceservice of a pod, which the PodMonitor copies, into this one.
_SERVICE_LABEL = "serving_kserve_io_inferenceservice"


def inference_service(plan: Plan, version: ServedVersion, *, name: str, traffic: int | None = None) -> Manifest:
    """Return the InferenceService of a version.

    Args:
        plan: The plan.
        version: The version that its pods fetch.
        name: Its name.
        traffic: The percentage of requests that Knative sends to this version; the rest goes to the one rolled out
            before. None for all.
    """
    labels = {"app.kubernetes.io/name": APP, "app.kubernetes.io/part-of": "merflow"}
    # In standard mode, a service is reached only through the HTTPRoute next to it, so that nothing bypasses its shares.
    private = {"networking.kserve.io/visibility": "cluster-local"} if plan.mode == "standard" else {}
    scaler = {"serving.kserve.io/autoscalerClass": "keda"} if plan.mode == "standard" else {}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": plan.settings.namespace,
            "labels": {**labels, **private},
            "annotations": {"serving.kserve.io/deploymentMode": _DEPLOYMENT_MODE[plan.mode], **scaler},
        },
        "spec": {"predictor": {**_extensions(plan, version, name=name, traffic=traffic), **pod_fields(plan, version)}},
    }


def _extensions(plan: Plan, version: ServedVersion, *, name: str, traffic: int | None) -> Manifest:
    settings = plan.settings
    scaling = settings.scaling
    fields: dict[str, Any] = {
        "labels": {
            "app.kubernetes.io/name": APP,
            "merflow/version": str(version.number),
            **settings.labels,
        },
        "annotations": {"merflow/model": version.location, "merflow/digest": version.digest, **settings.annotations},
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "timeout": settings.seconds.request,
    }
    if plan.mode == "standard":
        return {**fields, "autoScaling": {"metrics": [_requests_in_flight(plan, name=name)]}}
    if traffic is not None:
        fields["canaryTrafficPercent"] = traffic
    scaled = {"scaleMetric": "concurrency", "scaleTarget": scaling.concurrency}
    return {**fields, **scaled, "containerConcurrency": scaling.limit}


def _requests_in_flight(plan: Plan, *, name: str) -> Manifest:
    """Return KEDA's metric: the open requests of all pods, for which the autoscaler has a target per pod."""
    pods = f'namespace="{plan.settings.namespace}", {_SERVICE_LABEL}="{name}"'
    return {
        "type": "External",
        "external": {
            "metric": {
                "backend": "prometheus",
                "serverAddress": plan.settings.prometheus,
                "query": f"sum(avg_over_time(merflow_open_requests{{{pods}}}[1m]))",
            },
            "target": {"type": "Value", "value": str(plan.settings.scaling.concurrency)},
        },
    }

"""The Gateway API's HTTPRoute to the predictors of one or two InferenceServices in standard mode."""

from merflow.promotion.deployment.inference_service import APP
from merflow.promotion.deployment.plan import Plan
from merflow.promotion.deployment.pod import Manifest

# KServe's Service of a predictor has the name of the InferenceService with this ending, and port 80.
_SERVICE_ENDING, _SERVICE_PORT = "-predictor", 80


def http_route(plan: Plan, *, shares: dict[str, int]) -> Manifest:
    """Return the route.

    Args:
        plan: The plan.
        shares: Percentage of the requests, by InferenceService.
    """
    namespace, _, gateway = plan.settings.gateway.partition("/")
    backends = [
        {"name": f"{name}{_SERVICE_ENDING}", "port": _SERVICE_PORT, "weight": share} for name, share in shares.items()
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": f"{plan.service}-versions",  # KServe may create a route named like the InferenceService
            "namespace": plan.settings.namespace,
            "labels": {"app.kubernetes.io/name": APP, "app.kubernetes.io/part-of": "merflow"},
        },
        "spec": {
            "parentRefs": [{"name": gateway, "namespace": namespace}],
            "hostnames": [plan.settings.host],
            "rules": [{"timeouts": {"request": f"{plan.settings.seconds.request}s"}, "backendRefs": backends}],
        },
    }

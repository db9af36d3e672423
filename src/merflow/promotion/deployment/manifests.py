"""The files of a deployment, as text.

In knative mode, a canary is the same InferenceService with another version: Knative keeps the revision that was rolled
out before and sends it the rest of the requests. So its file is in a separate folder, to be applied afterwards. In
standard mode, it is a second InferenceService, and an HTTPRoute splits the requests.
"""

import yaml

from merflow.contracts.kubernetes_names import NONE
from merflow.promotion.deployment.inference_service import inference_service
from merflow.promotion.deployment.plan import Plan, ServedVersion
from merflow.promotion.deployment.pod import Manifest
from merflow.promotion.deployment.route import http_route

SERVICE, ROUTE = "inferenceservice.yaml", "httproute.yaml"
CANARY, NEXT = "inferenceservice-canary.yaml", "canary/inferenceservice.yaml"
FILES = (SERVICE, CANARY, ROUTE, NEXT)
_CANARY_ENDING = "-canary"


def manifests(plan: Plan) -> dict[str, str]:
    """Return the text of each file by name, in the order in which they are applied."""
    stable = inference_service(plan, plan.stable, name=plan.service)
    files = {SERVICE: _text(stable, title=_title(plan.stable))}
    canary = plan.canary
    if plan.mode == "knative":
        if canary is not None:
            later = inference_service(plan, canary.version, name=plan.service, traffic=canary.traffic)
            remark = (
                f"{_title(canary.version)}, for {canary.traffic}% of the requests.\n"
                f"Apply it when version {plan.stable.number} is ready: the rest goes to what was rolled out before."
            )
            files[NEXT] = _text(later, title=remark)
        return files
    shares = {plan.service: 100}
    if canary is not None:
        name = plan.service + _CANARY_ENDING
        files[CANARY] = _text(inference_service(plan, canary.version, name=name), title=_title(canary.version))
        shares = {plan.service: 100 - canary.traffic, name: canary.traffic}
    if plan.settings.gateway != NONE:
        title = "Shares of the requests in percent."
        files[ROUTE] = _text(http_route(plan, shares=shares), title=title)
    return files


def _title(version: ServedVersion) -> str:
    return f"Version {version.number} of {version.name!r}: {version.made}"


def _text(manifest: Manifest, *, title: str) -> str:
    head = ["Written by merflow registry deploy.", *title.splitlines()]
    body = yaml.safe_dump(manifest, sort_keys=False, width=120, allow_unicode=True)
    return "".join(f"# {line}\n" for line in head) + body

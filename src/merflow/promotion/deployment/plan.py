"""The plan of a deployment: version, canary and kind of pods. A plan that cannot work is refused."""

import re
from dataclasses import dataclass
from typing import Literal

from merflow.contracts.deployment_settings import DeploymentSettings
from merflow.contracts.kubernetes_names import NONE, image_digest
from merflow.errors import DeploymentError

Mode = Literal["knative", "standard"]
# KServe's pattern, with room for what it appends: names of Services have at most 63 characters.
_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class ServedVersion:
    """An exact version, and the digest that its pods check.

    Attributes:
        name: The registered model.
        number: The version's number.
        made: The variant and kind, in words.
        digest: ``sha256:`` and the SHA-256 of its ``package.json``.
    """

    name: str
    number: int
    made: str
    digest: str

    @property
    def location(self) -> str:
        """The version as an argument of ``merflow registry fetch``."""
        return f"models:/{self.name}/{self.number}"


@dataclass(frozen=True)
class Canary:
    """A second version that answers a share of the requests, in percent."""

    version: ServedVersion
    traffic: int


@dataclass(frozen=True)
class Plan:
    """All inputs of the manifests.

    Attributes:
        service: Name of the InferenceService, and of the model in URLs.
        stable: The version that answers all requests, or the rest.
        canary: The version that answers a share of the requests; None if there is none.
        mode: KServe's deployment mode.
        gpu: True for pods with a GPU.
        settings: Cluster, resources, scaling and Secrets.
    """

    service: str
    stable: ServedVersion
    canary: Canary | None
    mode: Mode
    gpu: bool
    settings: DeploymentSettings


def check_plan(plan: Plan, *, allow_tag: bool) -> None:
    """Raise with every reason why the deployment could not work.

    Args:
        plan: The plan.
        allow_tag: True to accept an image without a digest.

    Raises:
        DeploymentError: With every reason.
    """
    problems = [*_problems(plan, allow_tag=allow_tag)]
    if problems:
        raise DeploymentError("\n".join(["nothing is deployed:", *(f"  {each}" for each in problems)]))


def _problems(plan: Plan, *, allow_tag: bool) -> list[str]:
    settings, found = plan.settings, []
    if not _SERVICE.fullmatch(plan.service):
        found.append(
            f"{plan.service!r} cannot be the name of an InferenceService: use at most 40 lower-case letters, digits "
            "and '-', and begin with a letter; give one with --service"
        )
    if image_digest(settings.image) is None and not allow_tag:
        found.append(
            f"image {settings.image} has no digest, and a pod that starts later may get another image of this tag; "
            "give --image REGISTRY/NAME@sha256:DIGEST, or pass --allow-tag"
        )
    if plan.gpu and settings.accelerator == NONE:
        found.append("accelerator is none, and --gpu asks for one; set it to nvidia.com/gpu, or leave --gpu out")
    if plan.mode == "standard" and settings.scaling.min_replicas == 0:
        found.append(
            "scaling.min_replicas is 0, but KEDA counts the requests of running pods and would start none; set it to "
            "1, or use --mode knative"
        )
    return found + _problems_of_canary(plan)


def _problems_of_canary(plan: Plan) -> list[str]:
    canary, found = plan.canary, list[str]()
    if canary is None:
        return found
    if not 1 <= canary.traffic <= 99:
        found.append(
            f"--traffic {canary.traffic} is not a share for a canary: give 1 to 99 percent, or deploy one version alone"
        )
    if canary.version.number == plan.stable.number:
        found.append(
            f"version {canary.version.number} of {canary.version.name!r} would be its own canary; give --canary "
            "another version"
        )
    if plan.mode == "standard" and plan.settings.gateway == NONE:
        found.append("gateway is none, and a canary in standard mode needs an HTTPRoute; set gateway to NAMESPACE/NAME")
    return found

"""The plan of the pipeline ``promote``: that of its benchmark, and one request for each later step."""

import os
from dataclasses import dataclass

from merflow.contracts.package_facts import PackageFacts
from merflow.contracts.promotion_requests import GateRequest, PackageRequest, PromoteRequest, RegisterRequest
from merflow.contracts.promotion_settings import BEST, PromotionSettings
from merflow.errors import ParamsError, PresetError, nearest
from merflow.jobs.plan import BenchmarkPlan, plan_benchmark
from merflow.jobs.run_settings import RunSettings, params_of
from merflow.promotion.gate.gate import policy_in
from merflow.runs.code_closure import code_digest


@dataclass(frozen=True)
class PromotionPlan:
    """Requests of all steps of a promotion."""

    benchmark: BenchmarkPlan
    package: PackageRequest
    register: RegisterRequest
    gate: GateRequest
    promote: PromoteRequest


def plan_promotion(settings: RunSettings, promotion: PromotionSettings, *, command: str) -> PromotionPlan:
    """Return the requests of a promotion's steps; check every name and setting before anything runs.

    Args:
        settings: The user's settings of the benchmark.
        promotion: The user's settings of the promotion.
        command: The command that repeats the benchmark, for its report.

    Raises:
        MerflowError: See :func:`merflow.jobs.plan.plan_benchmark`.
        ParamsError: Nothing would be tracked, the policy is invalid, or the package cannot wait that long.
        PresetError: The variant to promote is not one of the benchmark's.
    """
    params = params_of(settings)
    check_promotion(promotion, models=list(settings.models), tracking=params.tracking.uri)
    _check_wait(promotion)
    encoders = params.features.encoders_folder
    return PromotionPlan(
        benchmark=plan_benchmark(settings, command=command),
        package=PackageRequest(
            variant=promotion.variant,
            kind=promotion.kind,
            coverage=promotion.coverage,
            stress_utterances=promotion.stress_utterances,
            workspace=settings.workspace,
            encoders_folder=encoders,
            device=params.training.device,
            code=code_digest("package"),
        ),
        register=RegisterRequest(
            registered_name=promotion.registered_name,
            workspace=settings.workspace,
            encoders_folder=encoders,
            code=code_digest("register"),
        ),
        gate=GateRequest(
            registered_name=promotion.registered_name,
            mode=promotion.mode,
            policy=promotion.policy,
            workspace=settings.workspace,
            encoders_folder=encoders,
            approval_h=promotion.approval_h,
            code=code_digest("gate"),
        ),
        promote=PromoteRequest(
            registered_name=promotion.registered_name,
            approval_h=promotion.approval_h,
            code=code_digest("promote"),
        ),
    )


def check_promotion(promotion: PromotionSettings, *, models: list[str], tracking: str) -> None:
    """Raise if a promotion of these variants cannot succeed, before a benchmark takes hours.

    Args:
        promotion: The settings.
        models: Variants of the benchmark.
        tracking: ``tracking.uri``.

    Raises:
        ParamsError: Nothing would be tracked, or the policy is wrong.
        PresetError: The variant to promote is not one of the benchmark's.
    """
    if tracking == "none":
        raise ParamsError(
            "tracking.uri is none, but versions are registered in MLflow; set it to auto, or to a server's URI"
        )
    policy_in(promotion.policy)
    if promotion.variant not in (BEST, *models):
        raise PresetError(
            f"variant {promotion.variant!r} is not among the models of this run; "
            f"{nearest(promotion.variant, [BEST, *models])}"
        )


def _check_wait(promotion: PromotionSettings) -> None:
    facts = PackageFacts.read(os.environ)
    if facts is not None and facts.wait_h and promotion.approval_h > facts.wait_h:
        raise ParamsError(
            f"approval_h {promotion.approval_h:g}: the package ends the pod that waits after {facts.wait_h:g} h; "
            f"compile it again with --set cluster.pods.other.timeout_h={promotion.approval_h:g} or more, or wait less"
        )

"""Checks of latency, resident memory and size: budgets, and growth against the champion."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from merflow.contracts.costs import Costs
from merflow.contracts.gate_decision import Check, Unit
from merflow.contracts.gate_policy import CostPolicy

_MEASURE = "Measure the costs again, candidate and champion together"


class _Cost(NamedTuple):
    """One kind of cost with its limits."""

    name: str
    unit: Unit
    candidate: float
    champion: float | None
    budget: float | None
    growth: float | None


def cost_checks(candidate: Costs | None, champion: Costs | None, *, first: bool, policy: CostPolicy) -> Iterator[Check]:
    """Yield the checks.

    Args:
        candidate: Costs of the candidate; None if they were not measured.
        champion: Costs of the champion; None if they were not measured.
        first: True if there is no champion.
        policy: Budgets and growth.
    """
    if candidate is None:
        required = policy.required
        words = "The costs were not measured."
        yield Check(name="costs", passed=not required, sentence=words, remedy=_MEASURE if required else "")
        return
    together = champion is not None and champion.measurement == candidate.measurement
    for cost in _costs(candidate, champion if together else None, policy):
        yield _budget(cost)
        if cost.champion is not None and cost.growth is not None:
            yield _growth(cost, champion=cost.champion, limit=cost.growth)
    limits = (policy.latency_growth, policy.resident_growth, policy.size_growth)
    if not first and not together and any(limit is not None for limit in limits):
        reason = "were not measured" if champion is None else "were measured at another time"
        yield Check(
            name="growth",
            passed=not policy.required,
            sentence=f"The champion's costs {reason}, so there is nothing to compare the candidate's with.",
            remedy=_MEASURE if policy.required else "",
        )


def _costs(candidate: Costs, champion: Costs | None, policy: CostPolicy) -> tuple[_Cost, ...]:
    theirs = _figures(champion) if champion is not None else (None, None, None)
    (latency, resident, size), (their_latency, their_resident, their_size) = _figures(candidate), theirs
    return (
        _Cost("latency", "ms", latency, their_latency, policy.max_latency_p95_ms, policy.latency_growth),
        _Cost("resident memory", "MiB", resident, their_resident, policy.max_resident_mib, policy.resident_growth),
        _Cost("size", "MiB", size, their_size, policy.max_size_mib, policy.size_growth),
    )


def _figures(costs: Costs) -> tuple[float, float, float]:
    return costs.latency_p95_ms, costs.peak_resident_mib, costs.size_mib


def _budget(cost: _Cost) -> Check:
    passed = cost.budget is None or cost.candidate <= cost.budget
    allowed = "no budget is set" if cost.budget is None else f"the budget is {cost.budget:,.0f} {cost.unit}"
    return Check(
        name=cost.name,
        passed=passed,
        measured=cost.candidate,
        limit=cost.budget,
        unit=cost.unit,
        sentence=f"The {_figure(cost.name)} is {cost.candidate:,.1f} {cost.unit}; {allowed}.",
        remedy="" if passed else _remedy(cost, limit="budget"),
    )


def _growth(cost: _Cost, *, champion: float, limit: float) -> Check:
    ratio = cost.candidate / max(champion, 1e-9)
    passed = ratio <= limit
    return Check(
        name=f"{cost.name} against the champion",
        passed=passed,
        measured=ratio,
        limit=limit,
        unit="ratio",
        sentence=f"The {_figure(cost.name)} is {ratio:.2f} times the champion's {champion:,.1f} {cost.unit}; at most "
        f"{limit:g} times is allowed.",
        remedy="" if passed else _remedy(cost, limit="growth"),
    )


def _figure(name: str) -> str:
    words = {"latency": "95th percentile of the time per clip", "resident memory": "peak resident memory"}
    return words.get(name, name)


def _remedy(cost: _Cost, *, limit: Literal["budget", "growth"]) -> str:
    keys = {
        "latency": ("max_latency_p95_ms", "latency_growth"),
        "resident memory": ("max_resident_mib", "resident_growth"),
        "size": ("max_size_mib", "size_growth"),
    }
    key = keys[cost.name][limit == "growth"]
    return f"Use a smaller encoder, or a refit instead of an ensemble, or raise costs.{key}"

"""Evidence of a candidate and a champion that passes every check of the shipped policy, to be changed by tests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd

from merflow.contracts.gate_decision import GateDecision, Mode
from merflow.contracts.gate_policy import GatePolicy
from merflow.promotion.gate.evidence import Evidence, Signature
from merflow.promotion.gate.gate import decide, policy_of
from tests.promotion import drawn_predictions, packages

AT, BY = "2026-01-02T03:04:05Z", "ada"
CHAMPION_SKILL, BETTER = 0.6, 1.4


def evidence(**changes: Any) -> Evidence:  # noqa: ANN401 - any field
    """Return evidence that passes every check of the shipped policy against :func:`champion`."""
    frame = drawn_predictions.utterances()
    facts = packages.package()
    whole = Evidence(
        package=facts,
        predictions=drawn_predictions.predictions(frame, skill=BETTER, chance=1),
        utterances=frame,
        calibration=packages.calibration(),
        stress=packages.stress(failed=("noise-10dB",)),
        costs=packages.costs(),
        smoke_test=packages.SMOKE,
        has_card=True,
        use_exception=None,
        signature=Signature(inputs=facts.modalities, outputs=facts.classes),
        digest="c" * 64,
        version="2",
    )
    return replace(whole, **changes)


def champion(**changes: Any) -> Evidence:  # noqa: ANN401 - any field
    weaker = drawn_predictions.predictions(drawn_predictions.utterances(), skill=CHAMPION_SKILL, chance=2)
    return evidence(**{"predictions": weaker, "version": "1", "digest": "d" * 64} | changes)


def policy(**sections: dict[str, Any]) -> GatePolicy:
    """Return the shipped policy with other values."""
    values = policy_of().model_dump()
    for name, changes in sections.items():
        values[name] |= changes
    return GatePolicy.model_validate(values)


def decided(
    candidate: Evidence,
    against: Evidence | None,
    by: GatePolicy | None = None,
    *,
    mode: Mode = "enforce",
    forced: str = "",
) -> GateDecision:
    return decide(candidate, against, by or policy(), mode=mode, at=AT, by=BY, forced=forced)


def failed(decision: GateDecision) -> list[str]:
    return [check.name for check in decision.failed]


def predicted(**how: Any) -> pd.DataFrame:  # noqa: ANN401 - any argument
    return drawn_predictions.predictions(drawn_predictions.utterances(), **how)


Change = Callable[[Evidence], Evidence]


def of_package(**changes: Any) -> Change:  # noqa: ANN401 - any field
    return lambda found: replace(found, package=found.package.model_copy(update=changes))


def of(**changes: Any) -> Change:  # noqa: ANN401 - any field
    return lambda found: replace(found, **changes)


def of_costs(**changes: Any) -> Change:  # noqa: ANN401 - any field
    return of(costs=packages.costs(**changes))

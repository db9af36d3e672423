"""The gate: evidence of two packages and a policy in, a decision with all its reasons out.

The gate is pure: it reads neither files nor the clock, and the same inputs give the same decision.
"""

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

from merflow.contracts.gate_decision import Check, GateDecision, Mode, verdict_of
from merflow.contracts.gate_policy import GatePolicy, parse_policy, read_policy
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate import comparability, readiness
from merflow.promotion.gate.accuracy import against_champion
from merflow.promotion.gate.budgets import cost_checks
from merflow.promotion.gate.calibration import calibration_checks
from merflow.promotion.gate.evidence import Evidence
from merflow.promotion.gate.figures import figure_of
from merflow.promotion.gate.groups import group_checks
from merflow.promotion.gate.robustness import stress_checks


def decide(
    candidate: Evidence,
    champion: Evidence | None,
    policy: GatePolicy,
    *,
    mode: Mode,
    at: str,
    by: str,
    forced: str = "",
) -> GateDecision:
    """Compare a candidate with the champion or, if there is none, only with the policy's floors.

    Args:
        candidate: The package that is to become the champion.
        champion: The current champion; None if there is none.
        policy: The requirements for the candidate.
        mode: ``enforce``, ``warn`` or ``dry-run``.
        at: Time in UTC, ISO 8601.
        by: The person who asks for it.
        forced: Reason of a forced promotion; empty if it is not forced.
    """
    checks = tuple(_checks(candidate, champion, policy))
    return GateDecision(
        candidate=candidate.contender,
        champion=champion.contender if champion is not None else None,
        mode=mode,
        checks=checks,
        promoted=verdict_of(checks, mode=mode, forced=forced),
        forced=forced,
        policy=policy.digest,
        at=at,
        by=by,
    )


def policy_of(path: Path | None = None) -> GatePolicy:
    """Read a policy file; merflow's default if none is given.

    Raises:
        ParamsError: The file is missing or not YAML, or with every problem of its values.
    """
    with as_file(files("merflow.promotion.gate") / "policy.yaml") as shipped:
        return read_policy(path or shipped, shipped=shipped)


def policy_in(text: str) -> GatePolicy:
    """Parse the text of a policy file; merflow's default policy if it is empty.

    Raises:
        ParamsError: The text is not YAML, or with every problem of its values.
    """
    if not text.strip():
        return policy_of()
    with as_file(files("merflow.promotion.gate") / "policy.yaml") as shipped:
        return parse_policy(text, shipped=shipped)


def _checks(candidate: Evidence, champion: Evidence | None, policy: GatePolicy) -> Iterator[Check]:
    """Yield all checks, the cheap ones about the package first."""
    package = candidate.package
    yield readiness.smoke_check(candidate.smoke_test)
    yield readiness.use_check(candidate.use_exception, policy=policy.use)
    yield readiness.honest_selection(package)
    yield readiness.validated(package, policy=policy.package)
    yield readiness.card_check(has_card=candidate.has_card)
    check, predictions = comparability.predictions_check(candidate)
    yield check
    if predictions is not None:
        yield figure_of(package.predicted).above_floor(predictions, policy=policy.accuracy)
    if champion is not None:
        yield from _against(candidate, champion, predictions, policy)
    yield from calibration_checks(
        candidate.calibration, champion.calibration if champion else None, policy=policy.calibration
    )
    yield from stress_checks(candidate.stress, package, policy=policy.stress)
    yield from cost_checks(
        candidate.costs, champion.costs if champion else None, first=champion is None, policy=policy.costs
    )


def _against(
    candidate: Evidence, champion: Evidence, predictions: AlignedRows | None, policy: GatePolicy
) -> Iterator[Check]:
    """Yield the checks that compare predictions; none if the two packages cannot be compared."""
    yield readiness.signature_check(candidate.signature, champion.signature, policy=policy.package)
    alike = [comparability.same_labels(candidate, champion), comparability.same_split(candidate, champion)]
    yield from alike
    if not all(check.passed for check in alike):
        return
    pairs, theirs = comparability.pairs_check(predictions, champion)
    yield pairs
    if predictions is None or theirs is None:
        return
    figure = figure_of(candidate.package.predicted)
    yield against_champion(predictions, theirs, figure=figure, policy=policy.accuracy)
    yield from group_checks(predictions, theirs, candidate.utterances, figure=figure, policy=policy.groups)

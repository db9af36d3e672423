"""Checks of the calibration: expected calibration error or width of the intervals, and coverage in every group."""

from collections.abc import Iterator, Mapping

from scipy.special import ndtri

from merflow.contracts.calibration_record import ANY_GROUP, AnyCalibration, Calibration, Coverage, GroupCoverage
from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import CalibrationPolicy
from merflow.contracts.numerals import percent, plural, signed
from merflow.contracts.score_calibration import IntervalCoverage, ScoreCalibration

_TRUTH_IN: Mapping[type[Coverage], str] = {
    GroupCoverage: "sets contain the true class",
    IntervalCoverage: "intervals contain the true score",
}
_NARROWER = "Train a model with fewer large errors, or promise a lower coverage and register it again"
_AGAIN = "Calibrate on more development data and register the model again"


def calibration_checks(
    candidate: AnyCalibration | None, champion: AnyCalibration | None, *, policy: CalibrationPolicy
) -> Iterator[Check]:
    """Yield the checks; a single one for a package without calibration."""
    if candidate is None:
        yield Check(
            name="calibration",
            passed=not policy.required,
            sentence="The package has no calibration.",
            remedy="Register the model again with merflow registry register" if policy.required else "",
        )
        return
    if isinstance(candidate, ScoreCalibration):
        yield _width(candidate, policy=policy)
        if isinstance(champion, ScoreCalibration):
            yield _width_against(candidate, champion, policy=policy)
        yield from coverage_checks(candidate.held_out.groups, nominal=candidate.coverage, policy=policy)
        return
    assert isinstance(candidate, Calibration)
    yield _absolute(candidate, policy=policy)
    if isinstance(champion, Calibration):
        yield _against(candidate, champion, policy=policy)
    yield from coverage_checks(candidate.held_out.groups, nominal=candidate.coverage, policy=policy)


def coverage_checks(groups: Mapping[str, Coverage], *, nominal: float, policy: CalibrationPolicy) -> Iterator[Check]:
    """Yield one check per group; the level is split among them (Bonferroni's inequality)."""
    for name, group in groups.items():
        yield _coverage(name, group, nominal=nominal, level=policy.level / len(groups))


def _absolute(candidate: Calibration, *, policy: CalibrationPolicy) -> Check:
    held_out = candidate.held_out
    limit = policy.max_ece
    passed = limit is None or held_out.ece_after <= limit
    allowed = "no limit is set" if limit is None else f"at most {percent(limit)}% is allowed"
    return Check(
        name="calibration error",
        passed=passed,
        measured=held_out.ece_after,
        limit=limit,
        unit="share",
        sentence=f"The calibration error is {percent(held_out.ece_after)}% on "
        f"{plural(held_out.utterances, 'held-out utterance')}, and was {percent(held_out.ece_before)}% before scaling; "
        f"{allowed}.",
        remedy="" if passed else _AGAIN,
    )


def _against(candidate: Calibration, champion: Calibration, *, policy: CalibrationPolicy) -> Check:
    growth = candidate.held_out.ece_after - champion.held_out.ece_after
    passed = growth <= policy.ece_margin
    return Check(
        name="calibration error against the champion",
        passed=passed,
        measured=growth,
        limit=policy.ece_margin,
        unit="points",
        sentence=f"The calibration error is {signed(growth)} points against the champion's "
        f"{percent(champion.held_out.ece_after)}%; at most {signed(policy.ece_margin)} is allowed.",
        remedy="" if passed else _AGAIN,
    )


def _width(candidate: ScoreCalibration, *, policy: CalibrationPolicy) -> Check:
    """Check the mean width of the intervals, as a share of the width of the scale."""
    width, limit = _width_of(candidate), policy.max_width
    passed = limit is None or width <= limit
    allowed = "no limit is set" if limit is None else f"at most {percent(limit)}% is allowed"
    return Check(
        name="interval width",
        passed=passed,
        measured=width,
        limit=limit,
        unit="share",
        sentence=f"The intervals cover {percent(width)}% of the scale on average, on "
        f"{plural(candidate.held_out.utterances, 'held-out utterance')}; {allowed}.",
        remedy="" if passed else _NARROWER,
    )


def _width_against(candidate: ScoreCalibration, champion: ScoreCalibration, *, policy: CalibrationPolicy) -> Check:
    growth = _width_of(candidate) - _width_of(champion)
    passed = growth <= policy.width_margin
    return Check(
        name="interval width against the champion",
        passed=passed,
        measured=growth,
        limit=policy.width_margin,
        unit="points",
        sentence=f"The width of the intervals is {signed(growth)} points of the scale against the champion's "
        f"{percent(_width_of(champion))}%; at most {signed(policy.width_margin)} is allowed.",
        remedy="" if passed else _NARROWER,
    )


def _width_of(calibration: ScoreCalibration) -> float:
    return calibration.held_out.groups[ANY_GROUP].mean_width / (calibration.high - calibration.low)


def _coverage(name: str, group: Coverage, *, nominal: float, level: float) -> Check:
    """Check that the coverage is not clearly below the nominal one.

    The 95% interval is scaled to the level of one test, assuming a normal distribution.
    """
    stretch = float(ndtri(1 - level) / ndtri(0.975))
    upper = min(1.0, group.coverage + stretch * (group.ci95[1] - group.coverage))
    passed = upper >= nominal
    who = "all utterances" if name == ANY_GROUP else name
    return Check(
        name=f"coverage {who}",
        passed=passed,
        measured=group.coverage,
        limit=nominal,
        interval=(group.ci95[0], upper),
        unit="share",
        sentence=f"The {_TRUTH_IN[type(group)]} of {percent(group.coverage)}% of "
        f"{plural(group.utterances, 'utterance')} (upper bound {percent(upper)}%); {percent(nominal)}% is promised.",
        remedy="" if passed else _AGAIN,
    )

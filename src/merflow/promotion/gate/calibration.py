"""Checks of the calibration: expected calibration error, and coverage of the conformal sets in every group."""

from collections.abc import Iterator, Mapping

from scipy.special import ndtri

from merflow.contracts.calibration_record import ANY_GROUP, Calibration, GroupCoverage
from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import CalibrationPolicy
from merflow.contracts.numerals import percent, plural, signed

_AGAIN = "Calibrate on more development data and register the model again"


def calibration_checks(
    candidate: Calibration | None, champion: Calibration | None, *, policy: CalibrationPolicy
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
    yield _absolute(candidate, policy=policy)
    if champion is not None:
        yield _against(candidate, champion, policy=policy)
    yield from coverage_checks(candidate.held_out.groups, nominal=candidate.coverage, policy=policy)


def coverage_checks(
    groups: Mapping[str, GroupCoverage], *, nominal: float, policy: CalibrationPolicy
) -> Iterator[Check]:
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


def _coverage(name: str, group: GroupCoverage, *, nominal: float, level: float) -> Check:
    """Check that the coverage may be the nominal one or more.

    The 95% interval is stretched to the level of one test, as for a normal distribution.
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
        sentence=f"The sets hold the true class of {percent(group.coverage)}% of "
        f"{plural(group.utterances, 'utterance')} (upper bound {percent(upper)}%); {percent(nominal)}% is promised.",
        remedy="" if passed else _AGAIN,
    )

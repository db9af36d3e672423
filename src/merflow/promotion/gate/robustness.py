"""Checks of the stress suite."""

from collections.abc import Iterator, Sequence

from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import StressPolicy
from merflow.contracts.model_package import ModelPackage
from merflow.contracts.numerals import listed, percent, plural
from merflow.contracts.stress_results import StressRun
from merflow.errors import nearest

_SHOWN = 5


def stress_checks(results: StressRun | None, package: ModelPackage, *, policy: StressPolicy) -> Iterator[Check]:
    """Yield the checks; a single one for a package without results, or with those of another model."""
    if results is None:
        yield Check(
            name="stress suite",
            passed=not policy.required and not policy.must_pass,
            sentence="The stress suite was not run.",
            remedy="Run merflow stress on this version" if policy.required or policy.must_pass else "",
        )
        return
    if (results.variant, results.split_id) != (package.variant, package.lineage.split_id):
        yield Check(
            name="stress suite",
            passed=False,
            sentence=f"The results are for {results.variant} on split {results.split_id}, not of {package.variant} on "
            f"split {package.lineage.split_id}.",
            remedy="Run merflow stress on this version",
        )
        return
    conditions = {result.name: result.passed for result in results.conditions}
    groups = {f"{result.by} {result.group}": result.passed for result in results.groups}
    yield _enough(results, policy=policy)
    yield _share("stress conditions", conditions, most=policy.max_failed_conditions)
    yield _share("stress groups", groups, most=policy.max_failed_groups)
    skipped = {each.name: each.reason for each in results.skipped}
    for name in policy.must_pass:
        yield _must_pass(name, conditions | groups, skipped=skipped)


def _enough(results: StressRun, *, policy: StressPolicy) -> Check:
    """Check that the suite was run as a whole, and not just a few chosen conditions."""
    tested = len(results.conditions)
    passed = tested >= policy.min_conditions
    skipped = f" {len(results.skipped)} could not be tested: {results.skipped[0].reason}." if results.skipped else ""
    return Check(
        name="stress suite",
        passed=passed,
        measured=tested,
        limit=policy.min_conditions,
        unit="count",
        sentence=f"{plural(tested, 'condition')} were tested on {plural(results.utterances, 'utterance')}; at least "
        f"{policy.min_conditions} must be.{skipped}",
        remedy="" if passed else "Run merflow stress on this version without --conditions",
    )


def _share(name: str, outcomes: dict[str, bool], *, most: float) -> Check:
    failed = [each for each, passed in outcomes.items() if not passed]
    share = len(failed) / max(len(outcomes), 1)
    passed = share <= most
    named = f": {_some(failed)}" if failed else ""
    return Check(
        name=name,
        passed=passed,
        measured=share,
        limit=most,
        unit="share",
        sentence=f"{len(failed)} of {len(outcomes)} failed ({percent(share)}%){named}; at most {percent(most)}% may.",
        remedy="" if passed else "Train with such recordings, or read on the suite's page which of them matter to you",
    )


def _must_pass(name: str, outcomes: dict[str, bool], *, skipped: dict[str, str]) -> Check:
    if name in skipped:
        words = f"The policy demands {name}, which could not be tested: {skipped[name]}."
        remedy = "Make it testable, or remove it from stress.must_pass"
        return Check(name=f"stress {name}", passed=False, sentence=words, remedy=remedy)
    if name not in outcomes:
        words = f"The policy demands {name!r}, which was not measured."
        hint = nearest(name, outcomes)
        return Check(name=f"stress {name}", passed=False, sentence=words, remedy=f"Correct stress.must_pass: {hint}")
    passed = outcomes[name]
    return Check(
        name=f"stress {name}",
        passed=passed,
        sentence=f"The policy demands {name}, which {'passed' if passed else 'failed'}.",
        remedy="" if passed else "Train with such recordings",
    )


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return f"{', '.join(names[:_SHOWN])} and {rest} more" if rest > 0 else listed(names)

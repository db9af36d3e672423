"""Checks of the package itself: honest selection, validated data, signature, smoke test, card and intended use."""

from merflow.contracts.costs import SmokeTest
from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import PackagePolicy, UsePolicy
from merflow.contracts.model_package import ModelPackage
from merflow.contracts.numerals import listed
from merflow.contracts.use_exception import UseException
from merflow.promotion.gate.evidence import Signature

_SIGNATURE = "Choose a model that reads what the champion does, or tell the callers and set package.new_inputs: allow"


def honest_selection(package: ModelPackage) -> Check:
    """Check that no test data were used for any choice."""
    passed = package.promotable and package.selection.promotable
    return Check(
        name="honest selection",
        passed=passed,
        sentence=f"The epochs were chosen by: {package.selection}."
        + ("" if passed else " Test data influenced a choice, so the figures are too high."),
        remedy="" if passed else "Train with an epoch that is chosen on development data",
    )


def validated(package: ModelPackage, *, policy: PackagePolicy) -> Check:
    """Check that the corpus passed its validation."""
    found = package.validation
    if found is None:
        passed, words = not policy.validation_required, "No validation of the corpus is recorded."
    elif found.passed:
        aside = f"; {found.set_aside} utterances were set aside" if found.set_aside else ""
        passed, words = True, f"The corpus passed {found.checks} checks{aside}."
    else:
        passed = False
        words = f"The corpus failed {len(found.failed)} of {found.checks} checks: {', '.join(found.failed)}."
    remedy = "" if passed else "Run merflow data validate, fix the corpus and train again"
    return Check(name="corpus validation", passed=passed, sentence=words, remedy=remedy)


def signature_check(candidate: Signature, champion: Signature, *, policy: PackagePolicy) -> Check:
    """Check that callers of the champion can also call the candidate and understand its answers."""
    problems = []
    new = sorted(set(candidate.inputs) - set(champion.inputs))
    if new and policy.new_inputs == "refuse":
        problems.append(f"the candidate reads {listed(new)}, which the champion does not")
    if candidate.outputs != champion.outputs:
        problems.append(f"it answers with {listed(candidate.outputs)} instead of {listed(champion.outputs)}")
    if not problems:
        words = f"The candidate reads {listed(candidate.inputs)} and answers with {listed(candidate.outputs)}."
        return Check(name="signature", passed=True, sentence=words)
    return Check(
        name="signature",
        passed=False,
        sentence=f"Callers of the champion cannot use the candidate: {'; '.join(problems)}.",
        remedy=_SIGNATURE,
    )


def smoke_check(outcome: SmokeTest | None) -> Check:
    """Check that the package loads and predicts in a new process; a failure cannot be overridden."""
    if outcome is None:
        return Check(
            name="smoke test",
            passed=False,
            sentence="The package was not loaded in a new process.",
            remedy="Run the smoke test",
            binding=True,
        )
    words = f"It loaded and predicted {outcome.clips} clips in a new process in {outcome.seconds:.1f} s."
    return Check(
        name="smoke test",
        passed=outcome.passed,
        sentence=words if outcome.passed else f"It does not load or predict in a new process: {outcome.error}.",
        remedy="" if outcome.passed else "Fix the cause of the error, and register the model again",
        binding=True,
    )


def card_check(*, has_card: bool) -> Check:
    """Check that the package has a model card."""
    return Check(
        name="model card",
        passed=has_card,
        sentence="The package has a model card." if has_card else "The package has no model card.",
        remedy="" if has_card else "Register the model again with merflow registry register, which writes it",
    )


def use_check(exception: UseException | None, *, policy: UsePolicy) -> Check:
    """Check that the intended use is allowed, or that an exception is recorded; a failure cannot be overridden."""
    use = policy.intended
    if _word(use) not in {_word(word) for word in policy.prohibited}:
        words = f"The intended use is {use}, which the policy does not prohibit."
        return Check(name="intended use", passed=True, sentence=words, binding=True)
    if exception is not None and _word(exception.use) == _word(use):
        words = f"The intended use is {use}. {exception.by} recorded an exception on {exception.ground} grounds."
        return Check(name="intended use", passed=True, sentence=f"{words} {exception.reason}", binding=True)
    other = f" The recorded exception is for {exception.use}." if exception is not None else ""
    return Check(
        name="intended use",
        passed=False,
        sentence=f"The intended use is {use}, where the EU AI Act prohibits inferring emotions except for medical or "
        f"safety reasons.{other}",
        remedy="Record an exception with its ground and reason, or correct use.intended",
        binding=True,
    )


def _word(text: str) -> str:
    return text.strip().casefold()

"""The decision of the gate: every check with its numbers, and the resulting verdict."""

from typing import Literal

from pydantic import FiniteFloat, model_validator

from merflow.contracts.model_package import Kind
from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict

Mode = Literal["enforce", "warn", "dry-run"]
Unit = Literal["share", "points", "scale", "ms", "MiB", "ratio", "count"]


class Check(Strict):
    """One check.

    Attributes:
        name: Its name, such as ``accuracy`` or ``emotion angry``.
        passed: True if the candidate passes.
        measured: The figure that was compared with the limit; None for a check without a figure.
        limit: The limit; None for a check without one.
        interval: Interval of the figure; None if there is none.
        unit: Unit of the three; ``points`` are differences of shares, ``scale`` is units of the task's scale.
        sentence: The outcome in words, with its numbers.
        remedy: One thing to do; empty if the check passed.
        binding: True if a failure cannot be overridden by mode ``warn`` or a forced promotion.
    """

    name: str
    passed: bool
    measured: FiniteFloat | None = None
    limit: FiniteFloat | None = None
    interval: Interval | None = None
    unit: Unit | None = None
    sentence: str
    remedy: str = ""
    binding: bool = False

    @model_validator(mode="after")
    def _has_remedy(self) -> "Check":
        if not self.passed and not self.remedy:
            raise ValueError(f"check {self.name} failed without a remedy")
        return self


class Contender(Strict):
    """One of the two packages that were compared.

    Attributes:
        variant: ``model:preset``.
        kind: ``refit`` or ``ensemble``.
        version: Version in the registry; empty if it has none.
        digest: Digest of the evidence that the decision is based on.
    """

    variant: str
    kind: Kind
    version: str
    digest: str


class GateDecision(Strict):
    """The outcome of one comparison.

    Attributes:
        candidate: The package that is to become the champion.
        champion: The current champion; None if there is none.
        mode: ``enforce`` refuses after a failed check; ``warn`` promotes and says what failed; ``dry-run`` promotes
            nothing.
        checks: All checks, in the order of the report.
        promoted: True if the candidate becomes the champion.
        forced: Reason of a forced promotion; empty if it was not forced.
        policy: Digest of the policy.
        at: Time in UTC, ISO 8601.
        by: The person who asked for it.
    """

    candidate: Contender
    champion: Contender | None
    mode: Mode
    checks: tuple[Check, ...]
    promoted: bool
    forced: str
    policy: str
    at: str
    by: str

    @property
    def failed(self) -> tuple[Check, ...]:
        """Checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def passed(self) -> bool:
        """True if every check passed."""
        return not self.failed

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict and then each failed check, in words."""
        return (self.verdict, *(f"{check.name}: {_whole(check)}" for check in self.failed))

    @property
    def lines(self) -> tuple[str, ...]:
        """The verdict and then every check, passed or failed, in words."""
        marks = {True: "passed", False: "FAILED"}
        checks = (f"{marks[check.passed]}  {check.name}: {_whole(check)}" for check in self.checks)
        return (self.verdict, *checks)

    @property
    def verdict(self) -> str:
        """The verdict in a sentence."""
        name, failures = self.candidate.variant, f"{len(self.failed)} of {len(self.checks)} checks failed"
        if self.passed:
            outcome = f"all {len(self.checks)} checks passed"
            return f"{name} is promoted: {outcome}." if self.promoted else f"{name} would be promoted: {outcome}."
        if not self.promoted:
            return f"{name} {'would be' if self.mode == 'dry-run' else 'is'} refused: {failures}."
        reason = f"by force ({self.forced})" if self.forced else "in mode warn"
        return f"{name} is promoted {reason}, though {failures}."

    @model_validator(mode="after")
    def _consistent(self) -> "GateDecision":
        expected = verdict_of(self.checks, mode=self.mode, forced=self.forced)
        if self.promoted != expected:
            raise ValueError(f"promoted is {self.promoted}, but the checks say {expected}")
        return self


def _whole(check: Check) -> str:
    return f"{check.sentence} {check.remedy}." if check.remedy else check.sentence


def verdict_of(checks: tuple[Check, ...], *, mode: Mode, forced: str) -> bool:
    """Return True if a candidate with these checks is promoted.

    Args:
        checks: All checks.
        mode: Mode of the gate.
        forced: Reason of a forced promotion; empty if it is not forced.
    """
    failed = [check for check in checks if not check.passed]
    if mode == "dry-run" or any(check.binding for check in failed):
        return False
    return not failed or mode == "warn" or bool(forced)

"""Argo's rules for retries, as KFP's packages set them: policy ``OnFailure``, backoff, and a window for all attempts.

Times are seconds from any start, so that the rules can be tested without waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Outcome(Enum):
    """The end of one attempt."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the container ended with another code than 0, or its time was up
    ERROR = "error"  # the pod vanished: deleted, evicted, its node lost


@dataclass(frozen=True)
class Attempt:
    """One attempt at a step."""

    started_s: float
    finished_s: float
    outcome: Outcome


@dataclass(frozen=True)
class RetryPolicy:
    """A task's ``retryPolicy``.

    Attributes:
        retries: Attempts after the first one.
        backoff_s: Seconds between the end of the first attempt and the start of the second.
        factor: Each later backoff is longer by this factor.
        window_s: Seconds after the start of the first attempt when the last one has to be over; 0 for no limit.
    """

    retries: int = 0
    backoff_s: float = 0.0
    factor: float = 2.0
    window_s: float = 0.0

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> "RetryPolicy":
        """Return the policy of a task of a package; without one, nothing is retried."""
        spec = task.get("retryPolicy", {})
        return cls(
            retries=int(spec.get("maxRetryCount", 0)),
            backoff_s=_seconds(spec.get("backoffDuration", "0s")),
            factor=float(spec.get("backoffFactor", 2.0)),
            window_s=_seconds(spec.get("backoffMaxDuration", "0s")),
        )

    def scaled(self, scale: float) -> "RetryPolicy":
        """Return the policy with other backoffs; the window stays, because attempts take as long as they take."""
        return RetryPolicy(self.retries, self.backoff_s * scale, self.factor, self.window_s)

    def deadline_s(self, attempts: Sequence[Attempt], *, now_s: float, limit_s: float) -> float:
        """Return the latest time at which an attempt that starts now is terminated.

        Args:
            attempts: The attempts before it.
            now_s: The time.
            limit_s: The pod's own ``activeDeadlineSeconds``; 0 for none.
        """
        first_s = attempts[0].started_s if attempts else now_s
        ends = [now_s + limit_s] if limit_s else []
        ends += [first_s + self.window_s] if self.window_s else []
        return min(ends, default=float("inf"))


@dataclass(frozen=True)
class Retry:
    """The step runs again, not before this time."""

    at_s: float


@dataclass(frozen=True)
class GiveUp:
    """The step has failed, with the reason why it is not retried."""

    reason: str


def after(attempts: Sequence[Attempt], policy: RetryPolicy) -> Retry | GiveUp:
    """Return the decision after the last of these attempts, which did not succeed."""
    last = attempts[-1]
    if last.outcome is Outcome.ERROR:
        return GiveUp("its pod vanished, which Argo does not retry under OnFailure; run the rehearsal again to resume")
    retried = len(attempts) - 1
    if retried >= policy.retries:
        return GiveUp(f"it failed {len(attempts)} times" if retried else "it failed, and has no retries")
    at_s = last.finished_s + policy.backoff_s * policy.factor**retried
    if policy.window_s and at_s > attempts[0].started_s + policy.window_s:
        return GiveUp(f"the next attempt would begin later than backoffMaxDuration, {policy.window_s:g} s, allows")
    return Retry(at_s)


def _seconds(text: str) -> float:
    """Return a protobuf duration, ``60s``, as a number."""
    return float(text.removesuffix("s"))

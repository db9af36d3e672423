"""The interface of a decision; the gate's is :class:`merflow.contracts.gate_decision.GateDecision`."""

import hashlib
from collections.abc import Callable
from typing import Protocol

from merflow.contracts.registered_version import RegisteredVersion


class Decision(Protocol):
    """The outcome of comparing a candidate with the champion."""

    @property
    def promoted(self) -> bool:
        """True if the candidate may become the champion."""

    @property
    def passed(self) -> bool:
        """True if every check passed."""

    @property
    def forced(self) -> str:
        """Reason of a forced promotion; empty if it was not forced."""

    @property
    def verdict(self) -> str:
        """The verdict in a sentence."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict, and what to do about each failed check."""

    def model_dump_json(self) -> str:
        """Return the decision as JSON."""


Decide = Callable[[RegisteredVersion, RegisteredVersion | None], Decision]


def decision_digest(decision: Decision) -> str:
    """Return the digest that identifies a decision in the audit trail, 16 hexadecimal digits."""
    return hashlib.sha256(decision.model_dump_json().encode()).hexdigest()[:16]

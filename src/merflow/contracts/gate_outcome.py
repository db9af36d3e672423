"""The outcome of a pipeline's gate, passed on to the step that moves the alias."""

from typing import Literal

from merflow.contracts.strict import Strict, parse_json


class GateOutcome(Strict):
    """The outcome.

    Attributes:
        status: ``decided``, if the gate lets the version through; ``refused``; ``dry-run``, if it only shows the
            decision; ``unchanged``, if the version is already the champion.
        version: Number of the version.
        decision: Digest that identifies the decision in the audit trail; empty if there is none.
    """

    status: Literal["decided", "refused", "dry-run", "unchanged"]
    version: int
    decision: str

    def to_json(self) -> str:
        """Return the outcome as one line of JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> "GateOutcome":
        """Parse an outcome from its JSON.

        Raises:
            ParamsError: The text is not an outcome.
        """
        return parse_json(cls, text, where="outcome of the gate")

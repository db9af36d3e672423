"""Treatment of the encoders in training: the policies in a paper's row, and those that were carried out."""

from pydantic import ConfigDict, computed_field

from merflow.contracts.protocols import Policy
from merflow.contracts.strict import Strict


class Regime(Strict):
    """Encoder policies of a training, one per stage, in the order of training.

    Files also hold the note, for their readers; it follows from the rest and is ignored when a file is read.

    Attributes:
        asked: Policies of the paper's row; a user's preset has those of its base.
        ran: Policies of the stages that were trained.
    """

    model_config = ConfigDict(extra="ignore")

    asked: tuple[Policy, ...]
    ran: tuple[Policy, ...]

    @property
    def frozen_against_paper(self) -> bool:
        """True if no encoder learned although the paper's row fine-tunes some."""
        return fine_tunes(self.asked) and not fine_tunes(self.ran)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def note(self) -> str | None:
        """The difference from the paper in words; None if there is none."""
        return "encoders frozen; the paper fine-tunes them" if self.frozen_against_paper else None


def fine_tunes(policies: tuple[Policy, ...]) -> bool:
    """Return True if encoders learn in one of these stages."""
    return any(policy != "frozen" for policy in policies)

"""Table columns of an answer, by the model's task: emotions or scores."""

from dataclasses import dataclass

from merflow.contracts.heard import SCORE, Heard, HeardEmotion, ListeningModel


@dataclass(frozen=True)
class AnswerColumns:
    """Names of the columns of an answer.

    Attributes:
        facts: The answer in a few columns, the first of which is ``answer``.
        classes: The classes, each with a column ``p_CLASS``; empty for scores.
        numbers: The numbers that the timeline smooths, each with a column ``smoothed_NUMBER``.
    """

    facts: tuple[str, ...]
    classes: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def of_clip(self) -> tuple[str, ...]:
        """All columns of an answer without the timeline."""
        return (*self.facts, *(f"p_{name}" for name in self.classes))

    @property
    def smoothed(self) -> tuple[str, ...]:
        """The columns of the timeline."""
        return tuple(f"smoothed_{name}" for name in self.numbers)

    def cells(self, heard: Heard) -> list[str]:
        """Return the cells of :attr:`of_clip`; several values in a cell are separated by ``; ``."""
        if isinstance(heard, HeardEmotion):
            facts = [heard.emotion, f"{heard.probabilities[heard.emotion]:.6f}", "; ".join(heard.possible)]
            return [heard.answer, *facts, *(f"{heard.probabilities[name]:.6f}" for name in self.classes)]
        ends = ["" if end is None else f"{end:.6f}" for end in (heard.low, heard.high)]
        return [heard.answer, f"{heard.score:.6f}", *ends, "" if heard.low is None else str(not heard.sure).lower()]


def columns_of(model: ListeningModel) -> AnswerColumns:
    """Return the columns of a model's answers."""
    if model.scale is not None:
        return AnswerColumns(("answer", "score", "low", "high", "abstained"), (), (SCORE,))
    return AnswerColumns(("answer", "emotion", "probability", "possible"), model.classes, model.classes)

"""A prediction for a clip or a segment in results, an emotion or a score, and the model that made it."""

from collections.abc import Mapping

from pydantic import Field, FiniteFloat

from merflow.contracts.streams import Modality
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION, ScoreTask, TaskName

NOT_SURE = "not sure"
SCORE = "score"
# Names of the two halves of each scale, the lower one first.
_SIDES: dict[ScoreTask, tuple[str, str]] = {
    "sentiment": ("negative", "positive"),
    "valence": ("negative", "positive"),
    "activation": ("low", "high"),
    "dominance": ("low", "high"),
}


class ScoreScale(Strict):
    """The scale of a model that predicts scores.

    Attributes:
        task: The task of the score.
        low: Lowest value of the scale.
        high: Highest value of the scale.
    """

    task: ScoreTask
    low: FiniteFloat
    high: FiniteFloat

    @property
    def middle(self) -> float:
        """The middle of the scale, at which its two sides meet."""
        return (self.low + self.high) / 2

    @property
    def sides(self) -> tuple[str, str]:
        """Names of the lower and the upper side, such as ``negative`` and ``positive``."""
        return _SIDES[self.task]

    def place(self, score: float) -> float:
        """Return the place of a score on the scale, 0 to 1; scores beyond an end are at the end."""
        return min(max((score - self.low) / (self.high - self.low), 0.0), 1.0)

    def side_of(self, score: float) -> str | None:
        """Return the side that a score is on; None in the middle."""
        return None if score == self.middle else self.sides[score > self.middle]


class ListeningModel(Strict):
    """The model that predicted.

    Attributes:
        name: Registered name, or ``model:preset``.
        version: Version in the registry, or a digest of the weights.
        title: Name for people.
        classes: Emotion classes; empty for a score model.
        modalities: What it reads.
        calibrated: True if its probabilities are calibrated, or its scores have intervals.
        abstains: True if it has thresholds for saying that it is not sure.
        scale: The scale of its scores; None, and not written, for an emotion model.
    """

    name: str
    version: str
    title: str
    classes: tuple[str, ...]
    modalities: tuple[Modality, ...]
    calibrated: bool
    abstains: bool
    scale: ScoreScale | None = Field(default=None, exclude_if=lambda scale: scale is None)

    @property
    def task(self) -> TaskName:
        """The task that the model learned."""
        return EMOTION if self.scale is None else self.scale.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the possible answers: the classes, or the sides of the scale."""
        return self.classes if self.scale is None else self.scale.sides

    def label_of(self, heard: "Heard") -> str:
        """Return the class or side that a prediction is sure of; otherwise ``not sure``."""
        if not heard.sure:
            return NOT_SURE
        if isinstance(heard, HeardEmotion):
            return heard.emotion
        assert self.scale is not None
        return self.scale.side_of(heard.score) or NOT_SURE


class HeardEmotion(Strict):
    """A model's prediction of the emotion of one segment.

    Attributes:
        emotion: The most likely emotion of the segment alone.
        probabilities: Probability of every emotion, for the segment alone.
        possible: The emotions that the model cannot rule out; empty without thresholds.
        sure: True if exactly one emotion is possible, or the model has no thresholds.
        modalities: What counted.
        warnings: Measured reasons for doubt.
    """

    emotion: str
    probabilities: dict[str, FiniteFloat]
    possible: tuple[str, ...]
    sure: bool
    modalities: tuple[Modality, ...]
    warnings: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The emotion, or ``not sure``."""
        return self.emotion if self.sure else NOT_SURE

    @property
    def values(self) -> dict[str, float]:
        """The numbers that the timeline smooths: the probabilities."""
        return self.probabilities

    def smoothed_answer(self, smoothed: Mapping[str, float]) -> str:
        """Return the answer by smoothed numbers; a segment that the model is not sure about stays "not sure"."""
        return max(smoothed, key=smoothed.__getitem__) if self.sure else NOT_SURE


class HeardScore(Strict):
    """A model's prediction of the score of one segment.

    Attributes:
        score: The score of the segment alone.
        low: Lower end of its interval; None if the model is not calibrated.
        high: Upper end of its interval.
        sure: True if the interval does not hold the middle of the scale, or the model has no intervals.
        modalities: What counted.
        warnings: Measured reasons for doubt.
    """

    score: FiniteFloat
    low: FiniteFloat | None
    high: FiniteFloat | None
    sure: bool
    modalities: tuple[Modality, ...]
    warnings: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The score with its interval, such as ``1.3 (0.4 to 2.2)``; after ``not sure:`` if the side is not clear."""
        within = "" if self.low is None or self.high is None else f" ({short(self.low)} to {short(self.high)})"
        return self._said(f"{short(self.score)}{within}")

    @property
    def values(self) -> dict[str, float]:
        """The numbers that the timeline smooths: the score."""
        return {SCORE: self.score}

    def smoothed_answer(self, smoothed: Mapping[str, float]) -> str:
        """Return the answer by smoothed numbers; a segment that the model is not sure about stays "not sure"."""
        return self._said(short(smoothed[SCORE]))

    def _said(self, numbers: str) -> str:
        return numbers if self.sure else f"{NOT_SURE}: {numbers}"


Heard = HeardEmotion | HeardScore


def short(score: float) -> str:
    """Return a score with one decimal, and zero without a sign."""
    return f"{round(score, 1) + 0.0:.1f}"

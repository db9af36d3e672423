"""A model's answers to clips: an emotion, a score, or a refusal."""

from dataclasses import dataclass

from merflow.contracts.heard import HeardEmotion, HeardScore
from merflow.contracts.streams import Modality


@dataclass(frozen=True, kw_only=True)
class PredictedClip:
    """The facts about a predicted clip that do not depend on the task.

    Attributes:
        clip_id: Name of the clip.
        sure: True if exactly one class is possible, or the side of a score is clear.
        modalities: Modalities that were used.
        warnings: Reasons to trust the prediction less, as measured.
        duration_s: Duration of the recording; None without a recording.
        level_dbfs: Its level; None without a recording.
        speech_share: Share of it that is speech; None if it is silent or was not checked.
        words: Number of words of the transcript; None without a transcript.
    """

    clip_id: str
    sure: bool
    modalities: tuple[Modality, ...]
    warnings: tuple[str, ...]
    duration_s: float | None
    level_dbfs: float | None = None
    speech_share: float | None = None
    words: int | None = None


@dataclass(frozen=True, kw_only=True)
class ClipPrediction(PredictedClip):
    """The emotions that a clip may have.

    Attributes:
        emotion: The most likely class.
        probabilities: Probability of every class; calibrated if the model is.
        possible: The conformal set, in the order of the classes. It may be empty; without thresholds, it always is.
    """

    emotion: str
    probabilities: dict[str, float]
    possible: tuple[str, ...]

    def heard(self, *, abstains: bool) -> HeardEmotion:
        """Return what results keep of the prediction.

        Args:
            abstains: True if the model has thresholds; otherwise it is never unsure.
        """
        return HeardEmotion(
            emotion=self.emotion,
            probabilities=self.probabilities,
            possible=self.possible,
            sure=self.sure or not abstains,
            modalities=self.modalities,
            warnings=self.warnings,
        )


@dataclass(frozen=True, kw_only=True)
class ClipScore(PredictedClip):
    """The score of a clip.

    Attributes:
        score: The score, on the model's scale.
        low: Lower end of its conformal interval; None without calibration.
        high: Upper end of its interval.
    """

    score: float
    low: float | None
    high: float | None

    def heard(self, *, abstains: bool) -> HeardScore:
        """Return what results keep of the prediction.

        Args:
            abstains: True if the model has intervals; otherwise it is never unsure.
        """
        return HeardScore(
            score=self.score,
            low=self.low,
            high=self.high,
            sure=self.sure or not abstains,
            modalities=self.modalities,
            warnings=self.warnings,
        )


@dataclass(frozen=True)
class RefusedClip:
    """A clip that cannot be predicted.

    Attributes:
        clip_id: Name of the clip.
        reason: The reason.
    """

    clip_id: str
    reason: str


Predicted = ClipPrediction | ClipScore
ClipAnswer = Predicted | RefusedClip

"""From an ensemble's outputs to its answers: calibrated probabilities and conformal sets, or scores and intervals.

The task decides which of the two kinds of answers an ensemble gives.

Shapes: N clips, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merflow.contracts.calibration_record import REMEDY, AnyCalibration, Calibration
from merflow.contracts.score_calibration import ScoreCalibration
from merflow.contracts.streams import Role
from merflow.contracts.task import Classification, Regression, Task
from merflow.errors import ModelError
from merflow.evaluation.conformal import in_sets
from merflow.evaluation.scores.intervals import holds_middle, intervals
from merflow.evaluation.temperature import scaled
from merflow.inference.media_clips import Clip


@dataclass(frozen=True)
class Answer:
    """The part of an answer that is the same for every task.

    Attributes:
        clip_id: Name of the clip.
        abstained: True if the model is not sure; without calibration, always True.
        distances: Distance from the training data by role, if it is known.
    """

    clip_id: str
    abstained: bool
    distances: dict[Role, float]


@dataclass(frozen=True)
class Prediction(Answer):
    """The emotions that a clip may have. The model abstains unless exactly one class is possible.

    Attributes:
        emotion: The most likely class.
        probabilities: Calibrated probability of every class.
        possible: The conformal set, in the order of the classes; it may be empty.
    """

    emotion: str
    probabilities: dict[str, float]
    possible: tuple[str, ...]


@dataclass(frozen=True)
class ScorePrediction(Answer):
    """The scores that a clip may have.

    The model abstains if the interval contains the middle of the scale, because it is then not sure of the side:
    negative or positive, low or high.

    Attributes:
        score: The score as predicted by the models; it may lie slightly outside the scale, as in training.
        low: Lower end of the conformal interval, within the scale; None without calibration.
        high: Upper end of the interval; None without calibration.
    """

    score: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class EmotionAnswers:
    """The answers of emotion models.

    Attributes:
        classes: Emotion classes in the order of the probabilities.
        calibration: Temperature and thresholds; None if they are unknown.
    """

    classes: tuple[str, ...]
    calibration: Calibration | None

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities ``(N, C)`` float64; without calibration, the given ones."""
        return raw.astype(np.float64) if self.calibration is None else scaled(raw, self.calibration.temperature)

    def sets(self, calibrated: np.ndarray, *, groups: Sequence[str | None]) -> np.ndarray:
        """Return ``(N, C)`` bool: True for the classes in each clip's conformal set; all False without calibration.

        Args:
            calibrated: Calibrated probabilities.
            groups: Group of each clip, such as the speaker's gender; None if it is unknown.
        """
        if self.calibration is None:
            return np.zeros(calibrated.shape, dtype=bool)
        return in_sets(calibrated, groups=groups, thresholds=self.calibration.thresholds)

    def of(
        self,
        clips: Sequence[Clip],
        raw: np.ndarray,
        *,
        groups: Sequence[str | None],
        far: Sequence[dict[Role, float]],
    ) -> list[Prediction]:
        """Return the answer for each clip.

        Args:
            clips: The clips.
            raw: The models' mean probabilities ``(N, C)``.
            groups: As :meth:`sets`.
            far: Each clip's distances from the training data.
        """
        probabilities = self.calibrated(raw)
        possible = self.sets(probabilities, groups=groups)
        return [
            Prediction(
                clip_id=clip.clip_id,
                abstained=int(of_clip.sum()) != 1,
                distances=distances,
                emotion=self.classes[int(row.argmax())],
                probabilities=dict(zip(self.classes, row.tolist(), strict=True)),
                possible=tuple(name for name, inside in zip(self.classes, of_clip, strict=True) if inside),
            )
            for clip, row, of_clip, distances in zip(clips, probabilities, possible, far, strict=True)
        ]


@dataclass(frozen=True)
class ScoreAnswers:
    """The answers of score models.

    Attributes:
        task: The scale.
        calibration: Widths of the intervals; None if they are unknown.
    """

    task: Regression
    calibration: ScoreCalibration | None

    def calibrated(self, raw: np.ndarray) -> np.ndarray:
        """Return the scores ``(N, 1)`` float64 unchanged: calibration only adds intervals."""
        return raw.astype(np.float64)

    def intervals(self, raw: np.ndarray, *, groups: Sequence[str | None]) -> np.ndarray:
        """Return ``(N, 2)``: the ends of each clip's conformal interval, inside the scale; NaN without calibration.

        Args:
            raw: Scores ``(N, 1)``.
            groups: Group of each clip, such as the speaker's gender; None if it is unknown.
        """
        if self.calibration is None:
            return np.full((len(raw), 2), np.nan)
        return intervals(raw[:, 0], groups=groups, half_widths=self.calibration.half_widths, task=self.task)

    def abstained(self, found: np.ndarray) -> np.ndarray:
        """Return ``(N,)`` bool: True if the side of the scale is not clear, or if there is no interval."""
        return np.asarray(np.isnan(found).any(axis=1) | holds_middle(found, self.task))

    def of(
        self,
        clips: Sequence[Clip],
        raw: np.ndarray,
        *,
        groups: Sequence[str | None],
        far: Sequence[dict[Role, float]],
    ) -> list[ScorePrediction]:
        """Return the answer for each clip; arguments as :meth:`EmotionAnswers.of`, with scores ``(N, 1)``."""
        found = self.intervals(raw, groups=groups)
        known = self.calibration is not None
        return [
            ScorePrediction(
                clip_id=clip.clip_id,
                abstained=bool(abstained),
                distances=distances,
                score=float(score),
                low=float(low) if known else None,
                high=float(high) if known else None,
            )
            for clip, score, (low, high), abstained, distances in zip(
                clips, self.calibrated(raw)[:, 0], found, self.abstained(found), far, strict=True
            )
        ]


def answers_of(task: Task, calibration: AnyCalibration | None) -> EmotionAnswers | ScoreAnswers:
    """Return the kind of answers for a task.

    Raises:
        ModelError: The calibration is for another task.
    """
    if isinstance(task, Classification) and isinstance(calibration, Calibration | None):
        return EmotionAnswers(task.classes, calibration)
    if isinstance(task, Regression) and isinstance(calibration, ScoreCalibration | None):
        same = calibration is None or (calibration.task, calibration.low, calibration.high) == (
            task.name,
            task.low,
            task.high,
        )
        if same:
            return ScoreAnswers(task, calibration)
    raise ModelError(f"the models predict {task.name}, but their calibration is of another task or scale; {REMEDY}")

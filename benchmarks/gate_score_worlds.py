"""Made-up test sets with two made-up models of sentiment whose true MAE is known, for the gate's error rates.

Errors in a dialogue are large or small together, for both models (what they share) and for each in its own way.

Shapes: n tests.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.gate_worlds import SESSIONS, TestSet
from merflow.contracts.task import SCALES
from merflow.evaluation.scores.predictions import ScorePredictions
from merflow.promotion.gate.mean_absolute_error import MeanAbsoluteError, thirds

TASK = SCALES["sentiment"]
ERROR = 0.6  # true MAE of the champion
# Deviations of the logarithm of the errors' size in a dialogue: of both models, and of one; and the share of an
# utterance's error that both models have in common.
SHARED, OWN, COMMON = 0.3, 0.15, 0.6
# Degrees of freedom of Student's distribution, for errors of which some are very large.
_HEAVY = 3


@dataclass(frozen=True)
class ScoreWorld(TestSet):
    """A made-up test set and the true difference between two models of sentiment on it.

    Attributes:
        gain: True MAE of the champion minus that of the candidate.
        heavy: True if some errors are very large.
        alike: Share of the utterances that both models answer alike; for equal models.
    """

    gain: float = 0.0
    heavy: bool = False
    alike: float = 0.0

    @cached_property
    def figure(self) -> MeanAbsoluteError:
        """The figure that the gate compares."""
        return MeanAbsoluteError(TASK)

    def draw(self, random: np.random.Generator) -> tuple[ScorePredictions, ScorePredictions]:
        """Return the predictions of candidate and champion."""
        labels = self._labels(random)
        shape = (self.seeds, len(labels))
        shared = random.normal(0, SHARED, size=self.dialogues)[self.dialogue]
        # Both models scale one draw, so that Student's errors are very large on the same utterances.
        size = 1 / np.sqrt(random.chisquare(_HEAVY, size=shape) / _HEAVY) if self.heavy else np.ones(shape)
        common = COMMON**0.5 * random.normal(size=shape)
        candidate, champion = (size * self._errors(shared, common, random) for _ in range(2))
        candidate = candidate * (1 - np.where(self.inside(thirds(labels, TASK)), self.gain, 0.0) / ERROR)
        if self.alike:
            candidate = np.where(random.random(shape) < self.alike, champion, candidate)
        return self._predictions(labels, candidate), self._predictions(labels, champion)

    def _labels(self, random: np.random.Generator) -> np.ndarray:
        """Return thirds of the scale, 0 the most frequent; dialogues lean to one side."""
        mood = random.normal(0.2, 0.8, size=self.dialogues)[self.dialogue]
        drawn = np.where(random.random(len(mood)) < 0.2, 0.0, mood + random.normal(0, 0.9, size=len(mood)))
        labels: np.ndarray = np.clip(np.round(3 * drawn) / 3, TASK.low, TASK.high)
        return labels

    def _errors(self, shared: np.ndarray, common: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draw the errors of a model, ``(seeds, n)``, whose mean absolute value is ``ERROR``."""
        own = random.normal(0, OWN, size=self.dialogues)[self.dialogue]
        own = own + random.normal(0, self.suits, size=SESSIONS)[self.dialogue % SESSIONS]
        noise = common + (1 - COMMON) ** 0.5 * random.normal(size=common.shape)
        mean_size = np.exp((SHARED**2 + OWN**2 + self.suits**2) / 2)
        mean_noise = 2 * _HEAVY**0.5 / np.pi if self.heavy else (2 / np.pi) ** 0.5  # of Student's and the normal
        errors: np.ndarray = ERROR * np.exp(shared + own) * noise / (mean_size * mean_noise)
        return errors

    def _predictions(self, labels: np.ndarray, errors: np.ndarray) -> ScorePredictions:
        return ScorePredictions(**self.rows(np.tile(labels, self.seeds)), scores=(labels + errors).ravel())

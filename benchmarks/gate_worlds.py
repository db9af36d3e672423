"""Made-up test sets with two made-up models whose true difference is known, for the gate's error rates.

Utterances of a dialogue are easy or hard together, for both models (what they share) and for each in its own way.

Shapes: n tests, G dialogues, C classes.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from merflow.evaluation.predictions import VariantPredictions
from merflow.promotion.gate.unweighted_accuracy import UnweightedAccuracy

CLASSES = ("angry", "happy", "neutral", "sad")
SESSIONS, TURNS = 5, 20
SHARED, OWN = 1.0, 0.7  # deviations of the logit: of an utterance, for both models; of a dialogue, for one model
_QUADRATURE = np.polynomial.hermite_e.hermegauss(60)

# A figure per class.
PerClass = tuple[float, float, float, float]


@dataclass(frozen=True)
class TestSet:
    """A made-up test set, whatever its labels.

    Attributes:
        dialogues: Dialogues in all, spread over five sessions.
        group: Group to which the difference of the models is limited, such as ``session 1``; empty for all utterances.
        seeds: Training seeds of both models.
        unequal: Deviation of the logarithm of the dialogues' sizes.
        suits: Deviation of a session's effect on one model: models that suit some speakers better than others.
        turns: Utterances of a dialogue, on average.
    """

    __test__ = False  # no test of pytest's

    dialogues: int = 40
    group: str = ""
    seeds: int = 1
    unequal: float = 0.0
    suits: float = 0.0
    turns: int = TURNS

    @cached_property
    def dialogue(self) -> np.ndarray:
        """Dialogue of each utterance, ``(n,)``; sizes are quantiles of a log-normal distribution, in random order."""
        places = np.random.default_rng(0).permutation((np.arange(self.dialogues) + 0.5) / self.dialogues)
        sizes = self.turns * np.exp(self.unequal * ndtri(places) - self.unequal**2 / 2)
        return np.repeat(np.arange(self.dialogues), np.maximum(1, np.rint(sizes)).astype(int))

    @cached_property
    def utterances(self) -> pd.DataFrame:
        """The groups of the utterances."""
        count = len(self.dialogue)
        session = (self.dialogue % SESSIONS + 1).astype(str)
        gender = np.array(["F", "M"])[np.arange(count) % 2]
        return pd.DataFrame({"utterance_id": _names(count), "session": session, "gender": gender})

    def inside(self, of_labels: np.ndarray) -> np.ndarray:
        """Return ``(n,)`` bool: True for the utterances of :attr:`group`.

        Args:
            of_labels: ``(n,)`` group of each utterance by its label.
        """
        grouping, _, value = self.group.partition(" ")
        if not grouping:
            return np.ones(len(of_labels), dtype=bool)
        values = self.utterances[grouping].to_numpy() if grouping in self.utterances else of_labels
        return np.asarray(values == value)

    def rows(self, labels: np.ndarray) -> dict[str, Any]:
        """Return what the predictions of both models have in common, given the labels of all seeds."""
        return {
            "variant": "made:up",
            "utterance_ids": np.tile(_names(len(self.dialogue)), self.seeds),
            "folds": np.tile(self.dialogue % SESSIONS + 1, self.seeds),
            "seeds": np.repeat(np.arange(self.seeds), len(self.dialogue)),
            "dialogues": np.tile(self.dialogue, self.seeds),
            "labels": labels,
        }


@dataclass(frozen=True)
class World(TestSet):
    """A made-up test set and the true difference between two models of emotions on it.

    Attributes:
        gain: True UA of the candidate minus that of the champion; for an emotion, recall.
        ease: Logit of being right, by class.
        shares: Share of the utterances, by class.
        moods: True if most dialogues have one or two emotions.
        alike: Share of the utterances that both models answer alike; for equal models.
    """

    gain: float = 0.0
    ease: PerClass = (1.2, 0.8, 0.4, 0.6)
    shares: PerClass = (0.2, 0.3, 0.3, 0.2)
    moods: bool = False
    alike: float = 0.0

    @cached_property
    def figure(self) -> UnweightedAccuracy:
        """The figure that the gate compares."""
        return UnweightedAccuracy(CLASSES)

    def draw(self, random: np.random.Generator) -> tuple[VariantPredictions, VariantPredictions]:
        """Return the predictions of candidate and champion."""
        labels = self._labels(random)
        ease = np.array(self.ease)[labels] + random.normal(0, SHARED, size=len(labels))
        champion = self._right(ease, random)
        candidate = self._right(ease + self._skills(labels), random)
        if self.alike:
            candidate = np.where(random.random(len(labels)) < self.alike, champion, candidate)
        return self._predictions(labels, candidate, random), self._predictions(labels, champion, random)

    def _labels(self, random: np.random.Generator) -> np.ndarray:
        if not self.moods:
            return random.choice(len(CLASSES), size=len(self.dialogue), p=self.shares)
        likely = random.dirichlet(self.shares, size=self.dialogues).cumsum(axis=1)
        passed = random.random(len(self.dialogue))[:, None] > likely[self.dialogue]
        labels: np.ndarray = np.minimum(passed.sum(axis=1), len(CLASSES) - 1)
        return labels

    def _skills(self, labels: np.ndarray) -> np.ndarray:
        """Return the candidate's further logit of being right, ``(n,)``."""
        grouping, _, value = self.group.partition(" ")
        ease = (self.ease[CLASSES.index(value)],) if grouping == "emotion" else self.ease
        return np.where(self.inside(np.array(CLASSES)[labels]), skill_of(self.gain, ease=ease), 0.0)

    def _right(self, ease: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draw the utterances on which a model is right, ``(seeds, n)``."""
        own = (
            random.normal(0, OWN, size=self.dialogues)
            + random.normal(0, self.suits, size=SESSIONS)[np.arange(self.dialogues) % SESSIONS]
        )
        right: np.ndarray = random.random((self.seeds, len(ease))) < expit(ease + own[self.dialogue])
        return right

    def _predictions(self, labels: np.ndarray, right: np.ndarray, random: np.random.Generator) -> VariantPredictions:
        predicted = np.where(right, labels, (labels + random.integers(1, 4, size=right.shape)) % len(CLASSES))
        return VariantPredictions(
            **self.rows(np.tile(labels, self.seeds)), probabilities=np.eye(len(CLASSES))[predicted.ravel()]
        )


def true_ua(skill: float, *, ease: tuple[float, ...]) -> float:
    """Return the UA of a model over all possible dialogues, by Gauss-Hermite quadrature."""
    places, weights = _QUADRATURE
    deviation = (SHARED**2 + OWN**2) ** 0.5
    chance = expit(skill + np.array(ease)[:, None] + deviation * places)
    return float((chance @ weights / weights.sum()).mean())


@cache
def skill_of(gain: float, *, ease: tuple[float, ...]) -> float:
    """Return the logit that changes the true UA by so much, by bisection."""
    low, high, wanted = -5.0, 5.0, true_ua(0.0, ease=ease) + gain
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if true_ua(middle, ease=ease) < wanted else (low, middle)
    return (low + high) / 2


@cache
def _names(count: int) -> np.ndarray:
    return np.array([f"u{index:06}" for index in range(count)], dtype=object)

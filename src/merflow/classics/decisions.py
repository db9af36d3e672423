"""The decision values of fitted classifiers: the choice among candidates and the calibration, both on development data.

Shapes: n utterances, C classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from merflow.evaluation.metrics import unweighted_accuracy

# Natural logarithms of the temperatures that calibration searches. Development data are often a hundred utterances of
# one speaker; wider bounds would let a lucky few push every probability to 0 or 1.
_LOG_TEMPERATURES = (-4.0, 4.0)


@dataclass(frozen=True)
class Decisions:
    """Decision values of one fitted classifier.

    Attributes:
        settings: Its settings in words.
        dev: ``(n, C)`` of the development part.
        test: ``(n, C)`` of the test part.
    """

    settings: str
    dev: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """The chosen classifier of a fold.

    Attributes:
        settings: Its settings in words.
        dev_ua: Its development UA.
        probabilities: ``(n, C)`` calibrated, of the test part.
    """

    settings: str
    dev_ua: float
    probabilities: np.ndarray


def chosen(candidates: Iterable[Decisions], dev_labels: np.ndarray, *, classes: int) -> Outcome:
    """Return the candidate with the highest development UA, calibrated; in a tie, the one with the lowest loss.

    Args:
        candidates: Decision values of classifiers with different settings; the first one wins if everything else is
            equal.
        dev_labels: ``(n,)`` class indices of the development part.
        classes: C.
    """
    best: tuple[float, float] | None = None
    outcome: Outcome | None = None
    for candidate in candidates:
        dev_ua = unweighted_accuracy(dev_labels, candidate.dev.argmax(axis=1), classes=classes)
        temperature, loss = _calibration(candidate.dev, dev_labels)
        if best is None or (dev_ua, -loss) > best:
            best = dev_ua, -loss
            outcome = Outcome(candidate.settings, dev_ua, softmax(candidate.test / temperature, axis=1))
    assert outcome is not None, "no candidates"
    return outcome


def _calibration(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the temperature that fits scores to labels best, and its cross-entropy with equal weight per class.

    Dividing by one number changes no decision. Classes weigh equally because they do in training and in UA.
    """
    weights = 1.0 / np.bincount(labels)[labels]
    weights /= weights.sum()

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-(weights * scaled[np.arange(len(labels)), labels]).sum())

    found = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x)), float(found.fun)

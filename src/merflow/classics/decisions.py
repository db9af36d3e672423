"""The decision values of fitted classifiers: the choice among candidates and the calibration, both on development data.

Shapes: n utterances, C classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from merflow.evaluation.metrics import confusion_matrix, unweighted_accuracy_of

# Natural logarithms of the temperatures that calibration searches. Development data are often a hundred utterances of
# one speaker; wider bounds would let a lucky few make every probability 0 or 1.
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
    """Return the first candidate whose development UA is within one standard error of the highest, calibrated.

    Development data are often a few dozen utterances of one speaker. The highest of twenty figures on them is luck, so
    that a setting is only taken if it is clearly better than the more usual ones (the rule of one standard error, see
    Hastie, Tibshirani and Friedman 2009, Sec. 7.10).

    Args:
        candidates: Decision values of classifiers with different settings, the most usual ones first.
        dev_labels: ``(n,)`` class indices of the development part.
        classes: C.
    """
    tried = list(candidates)
    counts = [confusion_matrix(dev_labels, each.dev.argmax(axis=1), classes=classes) for each in tried]
    figures = unweighted_accuracy_of(np.stack(counts))
    best = int(figures.argmax())
    enough = figures[best] - _standard_error(counts[best])
    first = int((figures >= enough).argmax())
    settings = tried[first]
    temperature = _temperature(settings.dev, dev_labels)
    return Outcome(settings.settings, float(figures[first]), softmax(settings.test / temperature, axis=1))


def _standard_error(counts: np.ndarray) -> float:
    """Return the standard error of the UA of counts ``(C, C)``, a mean of independent shares."""
    support = counts.sum(axis=1)
    occurs = support > 0
    recalls = np.diagonal(counts)[occurs] / support[occurs]
    return float(np.sqrt((recalls * (1 - recalls) / support[occurs]).sum()) / occurs.sum())


def _temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that fits scores to labels best, by cross-entropy with equal weight per class.

    Dividing by one number changes no decision. Classes weigh equally because they do in training and in UA.
    """
    weights = 1.0 / np.bincount(labels)[labels]
    weights /= weights.sum()

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-(weights * scaled[np.arange(len(labels)), labels]).sum())

    found = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))

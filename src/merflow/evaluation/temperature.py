"""Temperature scaling: one number that makes a model's probabilities match how often it is right.

The temperature divides the logits (Guo et al. 2017, Sec. 4.2), here the logarithms of the probabilities, which differ
from the logits by a constant per utterance. The most likely class stays the same.

Shapes: n utterances, C classes.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from merflow.errors import EvaluationError

# A model that is always or never right on a few utterances has no best temperature; these are the limits.
LOWEST, HIGHEST = 0.05, 20.0
_SMALLEST = np.finfo(np.float32).tiny


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the temperature with the lowest mean negative log likelihood, between 0.05 and 20.

    Args:
        labels: ``(n,)`` class indices.
        probabilities: ``(n, C)``, rows sum to 1.

    Raises:
        EvaluationError: There are no utterances.
    """
    if not len(labels):
        raise EvaluationError("there are no development predictions to fit a temperature on; train the folds again")
    logits = logarithms(probabilities)

    def loss(log_temperature: float) -> float:
        return _mean_loss(labels, logits / np.exp(log_temperature))

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities ``(n, C)`` float64 after the logits were divided by the temperature."""
    after: np.ndarray = softmax(logarithms(probabilities) / temperature, axis=1)
    return after


def mean_nll(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean negative log likelihood of the labels in nats."""
    return _mean_loss(labels, logarithms(probabilities))


def logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms ``(n, C)`` float64; a probability of 0 counts as float32's smallest number."""
    log: np.ndarray = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _SMALLEST))
    return log


def _mean_loss(labels: np.ndarray, logits: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())

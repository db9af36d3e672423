"""How far a variant's confidence can be believed: the calibration error and the bins behind it.

Confidence is the probability of the most likely class. Bins are of equal width over 0 to 1, and take in their upper
edge (Guo et al. 2017).
"""

from typing import Any

import numpy as np

from merflow.errors import EvaluationError


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, *, bins: int) -> float:
    """Expected calibration error of the most likely class (Guo et al. 2017, Eq. 5), 0 to 1.

    The mean gap between confidence and accuracy over ``bins`` bins, weighted by their utterances.

    Args:
        labels: ``(n,)`` class indices.
        probabilities: ``(n, C)``, rows sum to 1.
        bins: How many.

    Raises:
        EvaluationError: No utterances, or lengths differ.
    """
    held, confidence, right = _sums(labels, probabilities, bins=bins)
    return float(np.abs(confidence - right).sum() / held.sum())


def reliability(labels: np.ndarray, probabilities: np.ndarray, *, bins: int) -> list[dict[str, Any]]:
    """The bins of :func:`calibration_error` that hold a prediction, lowest first, for a reliability diagram.

    Returns:
        ``low`` and ``high`` edge, ``utterances`` (predictions, so an utterance counts once a seed), mean
        ``confidence`` and ``accuracy``, both 0 to 1.

    Raises:
        EvaluationError: As there.
    """
    held, confidence, right = _sums(labels, probabilities, bins=bins)
    return [
        {
            "low": place / bins,
            "high": (place + 1) / bins,
            "utterances": int(held[place]),
            "confidence": float(confidence[place] / held[place]),
            "accuracy": float(right[place] / held[place]),
        }
        for place in np.flatnonzero(held).tolist()
    ]


def _sums(labels: np.ndarray, probabilities: np.ndarray, *, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each bin: predictions, their summed confidence, how many of them are right."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if len(labels) != len(probabilities) or not len(labels):
        raise EvaluationError(f"{len(labels)} labels and {len(probabilities)} rows of probabilities; give one each")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return (
        np.bincount(place, minlength=bins),
        np.bincount(place, weights=confidence, minlength=bins),
        np.bincount(place, weights=right, minlength=bins),
    )

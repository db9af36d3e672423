"""Calibration: the expected calibration error and the bins behind it.

Confidence is the probability of the most likely class. The bins divide 0 to 1 evenly and include their upper edge
(Guo et al. 2017).
"""

import numpy as np

from merflow.contracts.scores import ReliabilityBin
from merflow.errors import EvaluationError


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, *, bins: int) -> float:
    """Compute the expected calibration error of the most likely class (Guo et al. 2017, Eq. 5), 0 to 1.

    It is the mean gap between confidence and accuracy over the bins, weighted by their utterances.

    Args:
        labels: ``(n,)`` class indices.
        probabilities: ``(n, C)``, rows sum to 1.
        bins: Number of bins.

    Raises:
        EvaluationError: There are no utterances, or lengths differ.
    """
    held, confidence, right = _sums(labels, probabilities, bins=bins)
    return float(np.abs(confidence - right).sum() / held.sum())


def reliability(labels: np.ndarray, probabilities: np.ndarray, *, bins: int) -> tuple[ReliabilityBin, ...]:
    """Return the bins of :func:`calibration_error` with predictions, lowest first, for a reliability diagram.

    Raises:
        EvaluationError: There are no utterances, or lengths differ.
    """
    held, confidence, right = _sums(labels, probabilities, bins=bins)
    return tuple(
        ReliabilityBin(
            low=index / bins,
            high=(index + 1) / bins,
            utterances=int(held[index]),
            confidence=float(confidence[index] / held[index]),
            accuracy=float(right[index] / held[index]),
        )
        for index in np.flatnonzero(held).tolist()
    )


def _sums(labels: np.ndarray, probabilities: np.ndarray, *, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the number of predictions, their summed confidence and the number of correct ones, per bin."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if len(labels) != len(probabilities) or not len(labels):
        raise EvaluationError(
            f"{len(labels)} labels and {len(probabilities)} rows of probabilities; pass one row per label"
        )
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return (
        np.bincount(index, minlength=bins),
        np.bincount(index, weights=confidence, minlength=bins),
        np.bincount(index, weights=right, minlength=bins),
    )

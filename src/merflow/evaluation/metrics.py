"""Metrics, all computed from confusion counts.

Shapes: n utterances, C classes, ``...`` any leading axes (resamples). Counts have the true class in rows and the
predicted class in columns. A class without labels has no recall: UA and macro F1 average over the classes that
occur in the labels, so that a fold without some emotion is not penalized.
"""

import numpy as np

from merflow.errors import EvaluationError


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> np.ndarray:
    """Count class indices ``(n,)`` into a matrix ``(C, C)`` int64, true class in rows.

    Raises:
        EvaluationError: There are no utterances, lengths differ, or an index is outside ``0..classes-1``.
    """
    labels, predicted = _indices(labels, "labels", classes), _indices(predicted, "predictions", classes)
    if len(labels) != len(predicted):
        raise EvaluationError(f"{len(labels)} labels but {len(predicted)} predictions; pass one of each per utterance")
    cells: np.ndarray = np.bincount(labels * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def unweighted_accuracy(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> float:
    """Compute UA: the mean recall over the classes that occur in the labels, 0 to 1.

    Raises:
        EvaluationError: There are no utterances, lengths differ, or an index is not a class.
    """
    return float(unweighted_accuracy_of(confusion_matrix(labels, predicted, classes=classes)))


def weighted_accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Compute WA: the share of correct predictions, 0 to 1.

    Raises:
        EvaluationError: There are no utterances, or lengths differ.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if len(labels) != len(predicted) or not len(labels):
        raise EvaluationError(f"{len(labels)} labels but {len(predicted)} predictions; pass one of each per utterance")
    return float(np.mean(labels == predicted))


def macro_f1(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> float:
    """Compute the mean F1 over the classes that occur in the labels, 0 to 1.

    Raises:
        EvaluationError: There are no utterances, lengths differ, or an index is not a class.
    """
    counts = confusion_matrix(labels, predicted, classes=classes)
    return float(_f1(counts)[counts.sum(axis=1) > 0].mean())


def weighted_f1(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> float:
    """Compute the mean F1 weighted by the class shares of the labels, 0 to 1.

    Raises:
        EvaluationError: There are no utterances, lengths differ, or an index is not a class.
    """
    counts = confusion_matrix(labels, predicted, classes=classes)
    return float(np.average(_f1(counts), weights=counts.sum(axis=1)))


def recalls_of(counts: np.ndarray) -> np.ndarray:
    """Compute the recall of each class ``(..., C)`` from counts ``(..., C, C)``; NaN for a class without labels."""
    support = counts.sum(axis=-1)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    recalls: np.ndarray = np.divide(right, support, out=np.full(support.shape, np.nan), where=support > 0)
    return recalls


def unweighted_accuracy_of(counts: np.ndarray) -> np.ndarray:
    """Compute UA ``(...)`` from counts ``(..., C, C)``, each with at least one label."""
    recalls = recalls_of(counts)
    occurs = ~np.isnan(recalls)
    return np.asarray(np.where(occurs, recalls, 0.0).sum(axis=-1) / occurs.sum(axis=-1))


def weighted_accuracy_of(counts: np.ndarray) -> np.ndarray:
    """Compute WA ``(...)`` from counts ``(..., C, C)``, each with at least one label."""
    return np.asarray(np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1)))


def _f1(counts: np.ndarray) -> np.ndarray:
    """Compute F1 of each class ``(C,)``; 0 for a class that is neither a label nor predicted."""
    marked = counts.sum(axis=0) + counts.sum(axis=1)
    scores: np.ndarray = np.divide(2 * np.diagonal(counts), marked, out=np.zeros(len(counts)), where=marked > 0)
    return scores


def _indices(values: np.ndarray, name: str, classes: int) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or not len(values):
        raise EvaluationError(f"{name} have shape {values.shape}; expected one class index per utterance")
    if not np.issubdtype(values.dtype, np.integer):
        raise EvaluationError(f"{name} have type {values.dtype}; expected integer class indices")
    outside = (values < 0) | (values >= classes)
    if outside.any():
        raise EvaluationError(
            f"{name} contain class index {values[outside][0]} at position {int(outside.argmax())}; "
            f"expected 0 to {classes - 1}"
        )
    return values.astype(np.int64)

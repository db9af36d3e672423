"""Metrics of scores, all computed from sums over utterances, so that a resample is a weighted sum of its dialogues.

MAE is of the scores as predicted. ACC7 clips truth and prediction to the scale and rounds both, halves to the even
integer. ACC2 and F1 exist in the three conventions of :data:`merflow.contracts.score_figures.CONVENTIONS`; F1 is
weighted by class size, as scikit-learn's ``average="weighted"``. These are the definitions of the public code for
CMU-MOSEI. ACC7 needs the scale from -3 to 3, and ACC2 and F1 need a scale with a zero inside; a scale from 1 to 5 has
none of them, and no replacements.

CCC is Lin's concordance correlation coefficient, with variances that divide by n. It is 0 for constant predictions, and
undefined where the truth does not vary. Pearson's correlation is undefined where either does not vary.

Shapes: n utterances, K sums, ``...`` any leading axes (resamples, dialogues). A figure that is undefined is NaN in
these arrays; :func:`defined` makes it None.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from merflow.contracts.score_figures import CONVENTIONS, Convention, FigureName
from merflow.contracts.task import Regression
from merflow.errors import EvaluationError

# Sums ``(..., K)`` -> figures ``(...)``.
Metric = Callable[[np.ndarray], np.ndarray]

# Positions of the sums. Truth x and prediction y are counted from the middle of the scale, so that squares stay small.
_COUNT, _ABSOLUTE, _X, _Y, _XX, _YY, _XY, _SAME_STEP = range(8)
# Each convention has four counts: truth and prediction both low, (low, high), (high, low), both high.
_COUNTS_OF: Mapping[Convention, int] = {name: 8 + 4 * place for place, name in enumerate(CONVENTIONS)}
_SUMS = 8 + 4 * len(CONVENTIONS)
# A smaller variance is rounding: values that differ by less than a millionth count as equal.
_SMALLEST_VARIANCE = 1e-12
_SEVEN = (-3, 3)


def metrics_of(task: Regression) -> dict[FigureName, Metric]:
    """Return the metrics that are defined on the scale, in the order of the tables."""
    metrics: dict[FigureName, Metric] = {"MAE": _mae, "CCC": _ccc, "Pearson": _pearson}
    if has_seven_steps(task):
        metrics["ACC7"] = _same_step
    if has_zero(task):
        metrics |= {
            "ACC2 has0": partial(_accuracy, convention="has0"),
            "F1 has0": partial(_weighted_f1, convention="has0"),
            "ACC2 non0": partial(_accuracy, convention="non0"),
            "F1 non0": partial(_weighted_f1, convention="non0"),
            "ACC2 zero as negative": partial(_accuracy, convention="zero as negative"),
            "F1 zero as negative": partial(_weighted_f1, convention="zero as negative"),
        }
    return metrics


def has_seven_steps(task: Regression) -> bool:
    """Return True if the scale is the one that ACC7 is defined on, -3 to 3."""
    return (task.low, task.high) == _SEVEN


def has_zero(task: Regression) -> bool:
    """Return True if the scale has values on both sides of 0."""
    return task.low < 0 < task.high


def steps(values: np.ndarray, task: Regression) -> np.ndarray:
    """Return the step of each value ``(n,)``: clipped to the scale and rounded, halves to the even integer."""
    rounded: np.ndarray = np.rint(np.clip(values, task.low, task.high)).astype(np.int64)
    return rounded


def sums_of(labels: np.ndarray, scores: np.ndarray, task: Regression) -> np.ndarray:
    """Return the terms of the sums ``(n, K)`` of each utterance.

    Args:
        labels: ``(n,)`` truth.
        scores: ``(n,)`` predictions.
        task: The scale.

    Raises:
        EvaluationError: There are no utterances, lengths differ, or a value is not finite.
    """
    labels, scores = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if labels.shape != scores.shape or labels.ndim != 1 or not len(labels):
        raise EvaluationError(f"{len(labels)} labels but {len(scores)} scores; pass one of each per utterance")
    if not (np.isfinite(labels).all() and np.isfinite(scores).all()):
        raise EvaluationError("labels or scores are not finite; train this fold again")
    middle = (task.low + task.high) / 2
    x, y = labels - middle, scores - middle
    terms = np.zeros((len(labels), _SUMS))
    terms[:, :_SAME_STEP] = np.stack([np.ones_like(x), np.abs(scores - labels), x, y, x * x, y * y, x * y], axis=1)
    terms[:, _SAME_STEP] = steps(labels, task) == steps(scores, task)
    for convention, first in _COUNTS_OF.items():
        high, predicted_high, counted = binary_classes(labels, scores, convention)
        cell = first + 2 * high.astype(np.int64) + predicted_high
        terms[np.arange(len(labels)), cell] = counted
    return terms


def binary_classes(
    labels: np.ndarray, scores: np.ndarray, convention: Convention
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the true and the predicted class of each utterance, True for the higher one, and whether it counts.

    Args:
        labels: ``(n,)`` truth.
        scores: ``(n,)`` predictions.
        convention: The convention.
    """
    if convention == "has0":
        return labels >= 0, scores >= 0, np.ones(len(labels), dtype=bool)
    counted = labels != 0 if convention == "non0" else np.ones(len(labels), dtype=bool)
    return labels > 0, scores > 0, counted


def figures_of(labels: np.ndarray, scores: np.ndarray, task: Regression) -> dict[FigureName, float | None]:
    """Compute every figure of some utterances; None if it is undefined.

    Args:
        labels: ``(n,)`` truth.
        scores: ``(n,)`` predictions.
        task: The scale.

    Raises:
        EvaluationError: There are no utterances, lengths differ, or a value is not finite.
    """
    total = sums_of(labels, scores, task).sum(axis=0)
    return {name: defined(metric(total)) for name, metric in metrics_of(task).items()}


def defined(value: np.ndarray | float) -> float | None:
    """Return a figure, or None if it is undefined."""
    number = float(value)
    return number if np.isfinite(number) else None


def _mae(sums: np.ndarray) -> np.ndarray:
    return _divided(sums[..., _ABSOLUTE], sums[..., _COUNT])


def _same_step(sums: np.ndarray) -> np.ndarray:
    return _divided(sums[..., _SAME_STEP], sums[..., _COUNT])


def _pearson(sums: np.ndarray) -> np.ndarray:
    _, _, variance_x, variance_y, covariance = _moments(sums)
    varies = (variance_x > _SMALLEST_VARIANCE) & (variance_y > _SMALLEST_VARIANCE)
    correlation = _divided(covariance, np.sqrt(np.where(varies, variance_x * variance_y, 0.0)))
    return np.asarray(np.clip(correlation, -1.0, 1.0))


def _ccc(sums: np.ndarray) -> np.ndarray:
    mean_x, mean_y, variance_x, variance_y, covariance = _moments(sums)
    varies = variance_x > _SMALLEST_VARIANCE
    covariance = np.where(variance_y > _SMALLEST_VARIANCE, covariance, 0.0)
    return _divided(2 * covariance, np.where(varies, variance_x + variance_y + (mean_x - mean_y) ** 2, 0.0))


def _accuracy(sums: np.ndarray, *, convention: Convention) -> np.ndarray:
    low, low_as_high, high_as_low, high = _counts(sums, convention)
    return _divided(low + high, low + low_as_high + high_as_low + high)


def _weighted_f1(sums: np.ndarray, *, convention: Convention) -> np.ndarray:
    low, low_as_high, high_as_low, high = _counts(sums, convention)
    wrong = low_as_high + high_as_low
    lows, highs = low + low_as_high, high + high_as_low
    f1_low = np.nan_to_num(_divided(2 * low, 2 * low + wrong))
    f1_high = np.nan_to_num(_divided(2 * high, 2 * high + wrong))
    return _divided(lows * f1_low + highs * f1_high, lows + highs)


def _moments(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean x, mean y, their variances and their covariance, ``(...)`` each."""
    mean_x, mean_y, xx, yy, xy = (_divided(sums[..., place], sums[..., _COUNT]) for place in (_X, _Y, _XX, _YY, _XY))
    return mean_x, mean_y, xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y


def _counts(sums: np.ndarray, convention: Convention) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    first = _COUNTS_OF[convention]
    return sums[..., first], sums[..., first + 1], sums[..., first + 2], sums[..., first + 3]


def _divided(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Return the quotient; NaN if the divisor is 0."""
    quotient: np.ndarray = np.divide(values, by, out=np.full(np.shape(by), np.nan), where=by > 0)
    return quotient

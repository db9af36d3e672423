"""Conformal intervals: the possible scores of a clip, chosen so that the true one is among them at a given rate.

An interval extends equally far to both sides of the prediction, which is first clipped to the scale, and is then
clipped to the scale itself. The half width is the quantile of the absolute errors of other utterances, per group
(Mondrian split-conformal prediction, computed by crepes). It is stored, so that making an interval only needs NumPy.
The rate holds for utterances like those used for the width, as for conformal sets
(:mod:`merflow.evaluation.conformal`).

Shapes: n utterances.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.score_calibration import IntervalCoverage
from merflow.contracts.task import Regression
from merflow.evaluation.conformal import ROUNDING, check_fit, crepes, wilson


def fit_half_widths(
    labels: np.ndarray, scores: np.ndarray, *, groups: Sequence[str], task: Regression, coverage: float
) -> dict[str, float]:
    """Return half the width of an interval, by group, and the largest of all below ``ANY_GROUP``.

    If a group has fewer than ``coverage / (1 - coverage)`` utterances, it is the width of the scale, so that the
    interval is the whole scale, because nothing less would reach the coverage.

    Args:
        labels: ``(n,)`` truth.
        scores: ``(n,)`` predictions.
        groups: ``(n,)`` group of each utterance; ``ANY_GROUP`` where it is unknown.
        task: The scale.
        coverage: Share of intervals that should contain the truth, between 0 and 1.

    Raises:
        EvaluationError: The coverage is no such share, there are no utterances, or crepes is not installed.
    """
    check_fit(coverage, count=len(labels))
    names = np.array(sorted(set(groups)), dtype=object)
    regressor = crepes().ConformalRegressor()
    regressor.fit(labels - on_scale(scores, task), bins=np.asarray(groups, dtype=object))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the no. of calibration examples")  # crepes: the interval is infinite
        found = regressor.predict_int(np.zeros(len(names)), bins=names, confidence=coverage - ROUNDING)
    widths = np.minimum(found[:, 1], task.high - task.low)
    by_group = dict(zip(names.tolist(), widths.tolist(), strict=True))
    return {**by_group, ANY_GROUP: max(by_group.values())}


def intervals(
    scores: np.ndarray, *, groups: Sequence[str | None], half_widths: Mapping[str, float], task: Regression
) -> np.ndarray:
    """Return ``(n, 2)``: lower and upper end of the interval of each utterance, inside the scale.

    Args:
        scores: ``(n,)`` predictions.
        groups: Group of each utterance; unknown groups and groups without a half-width get that of ``ANY_GROUP``.
        half_widths: As :func:`fit_half_widths` returns them.
        task: The scale.
    """
    reach = np.array([half_widths.get(group or ANY_GROUP, half_widths[ANY_GROUP]) for group in groups])
    middle = on_scale(scores, task)
    return on_scale(np.stack([middle - reach, middle + reach], axis=1), task)


def holds_middle(found: np.ndarray, task: Regression) -> np.ndarray:
    """Return ``(n,)`` bool: True for the intervals ``(n, 2)`` that contain the middle of the scale."""
    return np.asarray((found[:, 0] <= task.middle) & (task.middle <= found[:, 1]))


def coverage_of_intervals(
    labels: np.ndarray, found: np.ndarray, *, task: Regression, utterance_ids: Sequence[str]
) -> IntervalCoverage:
    """Return how often intervals ``(n, 2)`` contain the label ``(n,)``, and how wide they are.

    An utterance tested with several seeds has several rows; the interval of the coverage counts it once.
    """
    utterances = len(set(utterance_ids))
    covered = float(((found[:, 0] <= labels) & (labels <= found[:, 1])).mean())
    answered = ~holds_middle(found, task)
    right = np.sign(found[answered].mean(axis=1) - task.middle) == np.sign(labels[answered] - task.middle)
    return IntervalCoverage(
        utterances=utterances,
        coverage=covered,
        ci95=wilson(covered, utterances),
        mean_width=float((found[:, 1] - found[:, 0]).mean()),
        answered=float(answered.mean()),
        accuracy_when_answered=float(right.mean()) if answered.any() else None,
    )


def on_scale(values: np.ndarray, task: Regression) -> np.ndarray:
    """Return the values clipped to the scale."""
    return np.asarray(np.clip(np.asarray(values, dtype=np.float64), task.low, task.high))

"""Conformal sets: the possible classes of a clip, chosen so that the true one is among them at a given rate.

A class is in the set if its calibrated probability reaches a threshold. The thresholds are computed from the
probabilities of other utterances' true classes, per group (Mondrian conformal prediction, computed by crepes). They are
stored, so that making a set only needs NumPy. The rate holds for utterances like those used for the thresholds; new
speakers differ from them, so it is measured (:mod:`merflow.evaluation.model_calibration`).

Shapes: n utterances, C classes.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from statistics import NormalDist
from typing import Any

import numpy as np

from merflow.contracts.calibration_record import ANY_GROUP, GroupCoverage
from merflow.contracts.scores import Interval
from merflow.errors import EvaluationError

# p-values are multiples of 1 / (n + 1), and 1 - coverage is not exact in binary.
ROUNDING = 1e-9


def fit_thresholds(of_true_class: np.ndarray, *, groups: Sequence[str], coverage: float) -> dict[str, float]:
    """Return the lowest probability of a class in the set, by group, and the lowest of all below ``ANY_GROUP``.

    If a group has fewer than ``coverage / (1 - coverage)`` utterances, its threshold is 0 and every class is in the
    set, because nothing else would reach the coverage.

    Args:
        of_true_class: ``(n,)`` calibrated probability of each utterance's true class.
        groups: ``(n,)`` group of each utterance; ``ANY_GROUP`` where it is unknown.
        coverage: Share of sets that should contain the true class, between 0 and 1.

    Raises:
        EvaluationError: The coverage is no such share, there are no utterances, or crepes is not installed.
    """
    check_fit(coverage, count=len(of_true_class))
    names = np.asarray(groups, dtype=object)
    scores = -np.asarray(of_true_class, dtype=np.float64)
    by_group = {name: _threshold(scores[names == name], coverage=coverage) for name in sorted(set(groups))}
    return {**by_group, ANY_GROUP: min(by_group.values())}


def check_fit(coverage: float, *, count: int) -> None:
    """Raise unless conformal sets or intervals can be fitted on ``count`` predictions.

    Raises:
        EvaluationError: The coverage is not a share, or there are no predictions.
    """
    if not 0 < coverage < 1:
        raise EvaluationError(f"coverage {coverage} is not a share; choose one between 0 and 1, such as 0.9")
    if not count:
        raise EvaluationError("there are no development predictions to fit conformal sets on; train the folds again")


def _threshold(scores: np.ndarray, *, coverage: float) -> float:
    """Return the lowest probability that still has a p-value above ``1 - coverage``."""
    candidates = np.unique(np.append(scores, 0.0))
    p_values = _conformal(scores).predict_p(candidates[:, None], smoothing=False)[:, 0]
    within = candidates[p_values > 1 - coverage + ROUNDING]
    return abs(float(within.max())) if len(within) else 1.0


def _conformal(scores: np.ndarray) -> Any:  # noqa: ANN401 - crepes has no types
    """Return crepes' classifier, fitted on nonconformity scores: the negative probability of the true class."""
    return crepes().ConformalClassifier().fit(scores)


def crepes() -> Any:  # noqa: ANN401 - crepes has no types
    """Return the package crepes.

    Raises:
        EvaluationError: It is not installed.
    """
    try:
        return import_module("crepes")
    except ModuleNotFoundError as error:
        raise EvaluationError(
            "conformal sets need crepes, which is not installed; pip install 'merflow[promotion]'"
        ) from error


def in_sets(probabilities: np.ndarray, *, groups: Sequence[str | None], thresholds: Mapping[str, float]) -> np.ndarray:
    """Return ``(n, C)`` bool: True for the classes in the set of each utterance.

    Args:
        probabilities: ``(n, C)`` calibrated probabilities.
        groups: Group of each utterance; unknown groups and groups without a threshold get that of ``ANY_GROUP``.
        thresholds: As :func:`fit_thresholds` returns them.
    """
    lowest = np.array([thresholds.get(group or ANY_GROUP, thresholds[ANY_GROUP]) for group in groups])
    return np.asarray(np.asarray(probabilities) >= lowest[:, None])


def coverage_of(labels: np.ndarray, sets: np.ndarray, *, utterance_ids: Sequence[str]) -> GroupCoverage:
    """Return how often sets ``(n, C)`` contain the label ``(n,)``, and how large they are.

    An utterance tested with several seeds has several rows; the interval counts it once.
    """
    utterances = len(set(utterance_ids))
    covered = float(sets[np.arange(len(labels)), labels].mean())
    single = sets.sum(axis=1) == 1
    right = sets[single].argmax(axis=1) == labels[single]
    return GroupCoverage(
        utterances=utterances,
        coverage=covered,
        ci95=wilson(covered, utterances),
        mean_size=float(sets.sum(axis=1).mean()),
        answered=float(single.mean()),
        accuracy_when_answered=float(right.mean()) if single.any() else None,
    )


def wilson(share: float, count: int) -> Interval:
    """Return Wilson's 95% interval of a share of ``count`` independent utterances."""
    z = NormalDist().inv_cdf(0.975)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * float(np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return 0.0 if share == 0 else low, 1.0 if share == 1 else high

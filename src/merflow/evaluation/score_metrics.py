"""Metrics of scores: absolute error, and correlations with the labels.

Shapes: n utterances. Everything is computed in float64.
"""

import numpy as np

from merflow.errors import EvaluationError


def mean_absolute_error(labels: np.ndarray, scores: np.ndarray) -> float:
    """Compute the mean absolute error of scores ``(n,)``, 0 or more.

    Raises:
        EvaluationError: There are no utterances, or lengths differ.
    """
    labels, scores = _pairs(labels, scores)
    return float(np.abs(labels - scores).mean())


def pearson(labels: np.ndarray, scores: np.ndarray) -> float:
    """Compute Pearson's correlation of scores ``(n,)``, -1 to 1; 0 if labels or scores are all equal.

    Raises:
        EvaluationError: There are no utterances, or lengths differ.
    """
    labels, scores = _pairs(labels, scores)
    spread = labels.std() * scores.std()
    return float(_covariance(labels, scores) / spread) if spread else 0.0


def concordance(labels: np.ndarray, scores: np.ndarray) -> float:
    """Compute the concordance correlation coefficient (Lin, 1989) of scores ``(n,)``, -1 to 1.

    It is Pearson's correlation, made smaller where mean or spread differ; 0 if labels or scores are all equal.

    Raises:
        EvaluationError: There are no utterances, or lengths differ.
    """
    labels, scores = _pairs(labels, scores)
    covariance = _covariance(labels, scores)
    if not covariance:
        return 0.0
    return float(2 * covariance / (labels.var() + scores.var() + (labels.mean() - scores.mean()) ** 2))


def _covariance(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(((labels - labels.mean()) * (scores - scores.mean())).mean())


def _pairs(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(labels) != len(scores) or not len(labels):
        raise EvaluationError(f"{len(labels)} labels but {len(scores)} scores; pass one of each per utterance")
    return np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)

"""Metrics on development data by task, and the metric that the shadow selection maximizes."""

import numpy as np

from merflow.contracts.score_figures import ON_EVERY_SCALE
from merflow.contracts.task import Regression, Task
from merflow.evaluation.metrics import unweighted_accuracy, weighted_accuracy
from merflow.evaluation.scores.metrics import figures_of


def development_figures(labels: np.ndarray, outputs: np.ndarray, *, task: Task) -> dict[str, float]:
    """Return the figures that ``task.figures`` names.

    Args:
        labels: ``(n,)`` class indices, or scores.
        outputs: ``(n, C)`` logits or probabilities, or scores ``(n, 1)``.
        task: The task.
    """
    if isinstance(task, Regression):
        figures = _of_scores(labels, outputs[:, 0], task=task)
    else:
        chosen = outputs.argmax(axis=1)
        figures = [unweighted_accuracy(labels, chosen, classes=outputs.shape[1]), weighted_accuracy(labels, chosen)]
    return dict(zip(task.figures, figures, strict=True))


def _of_scores(labels: np.ndarray, scores: np.ndarray, *, task: Regression) -> list[float]:
    """Return MAE, CCC and Pearson's correlation, so that epochs can be compared.

    The correlations of constant predictions, which are undefined, count as 0. Those of a model that diverged are NaN.
    """
    if not np.isfinite(scores).all():
        return [np.nan] * len(ON_EVERY_SCALE)
    figures = figures_of(labels, scores, task)
    return [figures[name] or 0.0 for name in ON_EVERY_SCALE]


def shadow_figure(labels: np.ndarray, predicted: np.ndarray, *, task: Task) -> float:
    """Return the metric that the shadow selection maximizes: test UA, or minus the test MAE for scores."""
    figures = development_figures(labels, predicted, task=task)
    return -figures["dev_mae"] if isinstance(task, Regression) else figures["dev_ua"]

"""Figures of development data by task, and the figure by which the shadow selection chooses."""

import numpy as np

from merflow.contracts.task import Regression, Task
from merflow.evaluation.metrics import unweighted_accuracy, weighted_accuracy
from merflow.evaluation.score_metrics import concordance, mean_absolute_error, pearson


def development_figures(labels: np.ndarray, outputs: np.ndarray, *, task: Task) -> dict[str, float]:
    """Return the figures that ``task.figures`` names.

    Args:
        labels: ``(n,)`` class indices, or scores.
        outputs: ``(n, C)`` logits or probabilities, or scores ``(n, 1)``.
        task: The task.
    """
    if isinstance(task, Regression):
        figures = [metric(labels, outputs[:, 0]) for metric in (mean_absolute_error, concordance, pearson)]
    else:
        chosen = outputs.argmax(axis=1)
        figures = [unweighted_accuracy(labels, chosen, classes=outputs.shape[1]), weighted_accuracy(labels, chosen)]
    return dict(zip(task.figures, figures, strict=True))


def shadow_figure(labels: np.ndarray, predicted: np.ndarray, *, task: Task) -> float:
    """Return the figure whose highest value the shadow selection takes: test UA, or minus the test MAE of scores."""
    figures = development_figures(labels, predicted, task=task)
    return -figures["dev_mae"] if isinstance(task, Regression) else figures["dev_ua"]

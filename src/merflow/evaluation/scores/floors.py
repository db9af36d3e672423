"""Floors: constant predictions, the best that is possible without looking at the input.

``median`` and ``mean`` predict the median and the mean of the fold's training labels; no constant has a lower MAE on
these labels than their median. ``majority`` predicts the most frequent class of the training labels, separately for
ACC7 and each convention of ACC2; it has no MAE.
"""

from collections.abc import Mapping

import numpy as np

from merflow.contracts.score_figures import CONVENTIONS, FigureName
from merflow.contracts.score_results import Floor
from merflow.contracts.task import Regression
from merflow.errors import EvaluationError
from merflow.evaluation.scores.metrics import (
    binary_classes,
    defined,
    figures_of,
    has_seven_steps,
    has_zero,
    metrics_of,
    steps,
    sums_of,
)
from merflow.evaluation.scores.predictions import ScorePredictions
from merflow.evaluation.scores.spread import dialogue_sums
from merflow.evaluation.significance import percentile_interval, resampled_sums


def floors(
    training_labels: Mapping[int, np.ndarray],
    variant: ScorePredictions,
    *,
    task: Regression,
    groups: int,
    samples: int,
    seed: int,
) -> dict[str, Floor]:
    """Compute the figures of constant predictions.

    Args:
        training_labels: Labels of each fold's training part.
        variant: Variant that was tested on the same utterances; each utterance counts once, whatever the seeds.
        task: The scale.
        groups: Number of dialogues.
        samples: Number of resamples.
        seed: Seed of the resamples.

    Raises:
        EvaluationError: A tested fold has no training labels.
    """
    once = variant.seeds == variant.seeds.min()
    labels, folds, dialogues = variant.labels[once], variant.folds[once], variant.dialogues[once]
    if missing := sorted({int(fold) for fold in folds} - {fold for fold, own in training_labels.items() if len(own)}):
        raise EvaluationError(f"folds {missing} have no training labels; pass the splits of these folds")
    found = {}
    for name, rule in (("median", np.median), ("mean", np.mean)):
        constants = {fold: float(rule(own)) for fold, own in training_labels.items()}
        scores = np.array([constants[fold] for fold in folds.tolist()])
        sums = dialogue_sums(sums_of(labels, scores, task), dialogues, groups=groups)
        drawn = metrics_of(task)["MAE"](resampled_sums(sums, samples=samples, seed=seed))
        found[name] = Floor(
            values=figures_of(labels, scores, task),
            mae_ci95=percentile_interval(drawn, groups=groups),
            description=f"The {name} of the fold's training labels.",
        )
    values = _majorities(training_labels, labels, folds, task=task)
    if values:
        found["majority"] = Floor(
            values=values,
            mae_ci95=None,
            description="The most frequent class of the fold's training labels, for each figure its own classes.",
        )
    return found


def _majorities(
    training_labels: Mapping[int, np.ndarray], labels: np.ndarray, folds: np.ndarray, *, task: Regression
) -> dict[FigureName, float | None]:
    values: dict[FigureName, float | None] = {}
    metrics = metrics_of(task)
    if has_seven_steps(task):
        frequent = {fold: _most_frequent(steps(own, task)) for fold, own in training_labels.items()}
        values["ACC7"] = float(np.mean(steps(labels, task) == [frequent[fold] for fold in folds.tolist()]))
    if has_zero(task):
        for convention in CONVENTIONS:
            higher = {}
            for fold, own in training_labels.items():
                classes, _, counted = binary_classes(own, own, convention)
                higher[fold] = 2 * int(classes[counted].sum()) > int(counted.sum())
            guesses = np.array([task.high if higher[fold] else task.low for fold in folds.tolist()])
            total = sums_of(labels, guesses, task).sum(axis=0)
            for name, metric in metrics.items():
                if name.partition(" ")[2] == convention:
                    values[name] = defined(metric(total))
    return {name: values[name] for name in metrics if name in values}


def _most_frequent(values: np.ndarray) -> int:
    """Return the most frequent step; in a tie, the lowest."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])

"""Distributions of true scores, predictions and errors, small enough for a report on any number of tests."""

import numpy as np

from merflow.contracts.score_figures import Cell, ErrorBin, ResidualBin
from merflow.contracts.score_results import StepCount, Truth
from merflow.contracts.task import Regression
from merflow.evaluation.scores.breakdowns import by_step, step_name
from merflow.evaluation.scores.predictions import ScorePredictions

# Raters' means are multiples of a third or, between two steps, of a sixth.
_CELLS_PER_UNIT = 6
_ERROR_BINS = 48


def cells(variant: ScorePredictions) -> tuple[Cell, ...]:
    """Return the occupied cells of a scatter plot, sorted by truth and prediction."""
    grid = np.rint(np.stack([variant.labels, variant.scores], axis=1) * _CELLS_PER_UNIT).astype(np.int64)
    occupied, tests = np.unique(grid, axis=0, return_counts=True)
    return tuple(
        Cell(truth=truth / _CELLS_PER_UNIT, predicted=predicted / _CELLS_PER_UNIT, tests=count)
        for (truth, predicted), count in zip(occupied.tolist(), tests.tolist(), strict=True)
    )


def residuals(variant: ScorePredictions, *, task: Regression) -> tuple[ResidualBin, ...]:
    """Return mean and quartiles of the residuals per step of the truth, lowest step first."""
    errors = variant.scores - variant.labels
    bins = []
    for step, rows in by_step(variant.labels, task).items():
        low, middle, high = np.percentile(errors[rows], [25, 50, 75]).tolist()
        bins.append(
            ResidualBin(
                step=step, tests=int(rows.sum()), mean=float(errors[rows].mean()), quartiles=(low, middle, high)
            )
        )
    return tuple(bins)


def error_bins(variant: ScorePredictions, *, task: Regression) -> tuple[ErrorBin, ...]:
    """Return the distribution of the errors in bins of equal width, from minus to plus the scale's width."""
    width = task.high - task.low
    edges = np.linspace(-width, width, _ERROR_BINS + 1)
    place = np.searchsorted(edges, variant.scores - variant.labels, side="right") - 1
    counts = np.bincount(np.clip(place, 0, _ERROR_BINS - 1), minlength=_ERROR_BINS)
    return tuple(
        ErrorBin(low=low, high=high, tests=count)
        for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    )


def truth_of(variant: ScorePredictions, *, task: Regression) -> Truth:
    """Return facts about the test labels; each utterance counts once."""
    labels = variant.labels[variant.seeds == variant.seeds.min()]
    return Truth(
        mean=float(labels.mean()),
        std=float(labels.std()),
        median=float(np.median(labels)),
        steps=tuple(
            StepCount(step=step_name(step, low=task.low), utterances=int(rows.sum()))
            for step, rows in by_step(labels, task).items()
        ),
        below_zero=int((labels < 0).sum()),
        zero=int((labels == 0).sum()),
        above_zero=int((labels > 0).sum()),
    )

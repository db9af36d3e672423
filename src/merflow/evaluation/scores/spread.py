"""Figures of a variant with scores: mean and deviation over folds and seeds, pooled figure, interval.

Shapes: S seeds, B resamples, G dialogues, K sums.
"""

from collections.abc import Mapping

import numpy as np

from merflow.contracts.score_figures import Figure, FigureName, FiguresOverSeeds, SeedFigures
from merflow.contracts.task import Regression
from merflow.evaluation.scores.metrics import defined, figures_of, metrics_of, sums_of
from merflow.evaluation.scores.predictions import ScorePredictions
from merflow.evaluation.significance import percentile_interval, resampled_sums
from merflow.evaluation.spread import spread_of


def dialogue_sums(terms: np.ndarray, dialogues: np.ndarray, *, groups: int) -> np.ndarray:
    """Add up the terms ``(n, K)`` of each dialogue, ``(G, K)``."""
    total = np.zeros((groups, terms.shape[1]))
    np.add.at(total, dialogues, terms)
    return total


def resample_scores(
    variants: Mapping[str, ScorePredictions], *, task: Regression, groups: int, samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the sums ``(B, K)`` of every resample per variant.

    A resample draws the same dialogues for all variants.
    """
    if not variants:
        return {}
    sums = [
        dialogue_sums(sums_of(variant.labels, variant.scores, task), variant.dialogues, groups=groups)
        for variant in variants.values()
    ]
    return dict(zip(variants, resampled_sums(np.stack(sums), samples=samples, seed=seed), strict=True))


def measured(
    variant: ScorePredictions, *, task: Regression, groups: int, resampled: np.ndarray | None = None
) -> dict[FigureName, Figure]:
    """Compute every figure of a variant, with intervals if resamples are given.

    Args:
        variant: Predictions of the variant.
        task: The scale.
        groups: Number of dialogues.
        resampled: Resampled sums ``(B, K)``; None for no intervals.
    """
    terms = sums_of(variant.labels, variant.scores, task)
    by_test = np.stack([terms[variant.of_test(*test)].sum(axis=0) for test in variant.tests])
    figures: dict[FigureName, Figure] = {}
    for name, metric in metrics_of(task).items():
        values = metric(by_test)
        over_tests = spread_of(values) if np.isfinite(values).all() else None
        figures[name] = Figure(
            pooled=defined(metric(terms.sum(axis=0))),
            mean=None if over_tests is None else over_tests.mean,
            std=None if over_tests is None else over_tests.std,
            ci95=None if resampled is None else _interval(metric(resampled), groups=groups),
        )
    return figures


def over_seeds(variant: ScorePredictions, *, task: Regression) -> FiguresOverSeeds:
    """Compute every figure of each seed, pooled over its folds, and the spread of MAE over the seeds."""
    seeds = sorted(set(variant.seeds.tolist()))
    each = tuple(SeedFigures(seed=seed, values=of_rows(variant, variant.seeds == seed, task=task)) for seed in seeds)
    return FiguresOverSeeds(mae=spread_of(np.array([figures.mae for figures in each])), each=each)


def of_rows(variant: ScorePredictions, rows: np.ndarray, *, task: Regression) -> dict[FigureName, float | None]:
    """Compute every figure of some rows ``(n,)`` bool of a variant."""
    return figures_of(variant.labels[rows], variant.scores[rows], task)


def _interval(values: np.ndarray, *, groups: int) -> tuple[float, float] | None:
    return percentile_interval(values, groups=groups) if np.isfinite(values).all() else None

"""UA and WA of a variant: mean and deviation over folds and seeds, pooled figure, interval.

Shapes: K tests (a fold with a seed), S seeds, B resamples, C classes.
"""

from collections.abc import Callable, Mapping

import numpy as np

from merflow.contracts.scores import Accuracy, OverSeeds, SeedScore, Spread
from merflow.evaluation.metrics import confusion_matrix, unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import dialogue_counts, percentile_interval, resampled_counts

# Counts ``(..., C, C)`` -> figures ``(...)``.
Figure = Callable[[np.ndarray], np.ndarray]


def counts_of(variant: VariantPredictions, rows: np.ndarray | slice, *, classes: int) -> np.ndarray:
    """Return the confusion counts ``(C, C)`` of some rows."""
    return confusion_matrix(variant.labels[rows], variant.predicted[rows], classes=classes)


def resample(
    variants: Mapping[str, VariantPredictions], *, groups: int, classes: int, samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the confusion counts ``(B, C, C)`` of every resample per variant.

    A resample draws the same dialogues for all variants.
    """
    if not variants:
        return {}
    counts = [
        dialogue_counts(v.labels * classes + v.predicted, v.dialogues, groups=groups, classes=classes)
        for v in variants.values()
    ]
    return dict(zip(variants, resampled_counts(np.stack(counts), samples=samples, seed=seed), strict=True))


def accuracy(
    figure: Figure, variant: VariantPredictions, *, classes: int, resampled: np.ndarray | None = None, groups: int = 1
) -> Accuracy:
    """Compute a figure of a variant, with an interval if resamples are given.

    Args:
        figure: Function of confusion counts.
        variant: Predictions of the variant.
        classes: C.
        resampled: Resampled counts ``(B, C, C)``; None for no interval.
        groups: Number of dialogues.
    """
    by_test = np.stack([counts_of(variant, variant.of_test(*test), classes=classes) for test in variant.tests])
    over_tests = spread_of(figure(by_test))
    return Accuracy(
        mean=over_tests.mean,
        std=over_tests.std,
        pooled=float(figure(counts_of(variant, slice(None), classes=classes))),
        ci95=None if resampled is None else percentile_interval(figure(resampled), groups=groups),
    )


def over_seeds(variant: VariantPredictions, *, classes: int) -> OverSeeds:
    """Compute UA and WA of each seed, pooled over its folds, and their spread over the seeds."""
    seeds = sorted(set(variant.seeds.tolist()))
    by_seed = np.stack([counts_of(variant, variant.seeds == seed, classes=classes) for seed in seeds])
    ua, wa = unweighted_accuracy_of(by_seed), weighted_accuracy_of(by_seed)
    return OverSeeds(
        ua=spread_of(ua),
        wa=spread_of(wa),
        each=tuple(
            SeedScore(seed=seed, ua=float(seed_ua), wa=float(seed_wa))
            for seed, seed_ua, seed_wa in zip(seeds, ua, wa, strict=True)
        ),
    )


def spread_of(values: np.ndarray) -> Spread:
    """Return the mean of a figure's values ``(K,)`` and their standard deviation with n - 1."""
    return Spread(mean=float(values.mean()), std=float(values.std(ddof=1)) if len(values) > 1 else None)

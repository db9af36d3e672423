"""One figure of one variant in its several readings: mean and deviation over folds and seeds, pooled, interval.

Shapes: K tests (a fold with a seed), S seeds, B resamples, C classes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from merflow.evaluation.metrics import confusion_matrix, unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import dialogue_counts, percentile_interval, resampled_counts

# Counts ``(..., C, C)`` -> figures ``(...)``.
Figure = Callable[[np.ndarray], np.ndarray]


def tests_of(variant: VariantPredictions) -> list[tuple[int, int]]:
    """The folds and seeds of a variant, sorted."""
    return sorted(set(zip(variant.folds.tolist(), variant.seeds.tolist(), strict=True)))


def counts_of(variant: VariantPredictions, rows: np.ndarray | slice, *, classes: int) -> np.ndarray:
    """Confusion counts ``(C, C)`` of some rows."""
    return confusion_matrix(variant.labels[rows], variant.predicted[rows], classes=classes)


def resample(
    variants: Mapping[str, VariantPredictions], *, groups: int, classes: int, samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Variant -> confusion counts of each resample ``(B, C, C)``; a resample draws the same dialogues for all."""
    if not variants:
        return {}
    counts = [
        dialogue_counts(v.labels * classes + v.predicted, v.dialogues, groups=groups, classes=classes)
        for v in variants.values()
    ]
    return dict(zip(variants, resampled_counts(np.stack(counts), samples=samples, seed=seed), strict=True))


def spread(
    figure: Figure, variant: VariantPredictions, *, classes: int, resampled: np.ndarray | None = None, groups: int = 1
) -> dict[str, Any]:
    """``mean`` and ``std`` over folds and seeds, ``pooled`` over all rows; ``ci95`` where there are resamples.

    Args:
        figure: Of counts.
        variant: Its predictions.
        classes: C.
        resampled: ``(B, C, C)`` counts.
        groups: Dialogues.
    """
    by_test = np.stack(
        [
            counts_of(variant, (variant.folds == fold) & (variant.seeds == seed), classes=classes)
            for fold, seed in tests_of(variant)
        ]
    )
    found = {**_mean_and_deviation(figure(by_test)), "pooled": _pooled(figure, variant, classes=classes)}
    if resampled is None:
        return found
    interval = percentile_interval(figure(resampled), groups=groups)
    return {**found, "ci95": None if interval is None else list(interval)}


def over_seeds(variant: VariantPredictions, *, classes: int) -> dict[str, Any]:
    """UA and WA of each seed, pooled over its folds, and their mean and deviation over the seeds."""
    seeds = sorted(set(variant.seeds.tolist()))
    by_seed = np.stack([counts_of(variant, variant.seeds == seed, classes=classes) for seed in seeds])
    ua, wa = unweighted_accuracy_of(by_seed), weighted_accuracy_of(by_seed)
    return {
        "UA": _mean_and_deviation(ua),
        "WA": _mean_and_deviation(wa),
        "each": [
            {"seed": seed, "UA": float(its_ua), "WA": float(its_wa)}
            for seed, its_ua, its_wa in zip(seeds, ua, wa, strict=True)
        ],
    }


def _pooled(figure: Figure, variant: VariantPredictions, *, classes: int) -> float:
    return float(figure(counts_of(variant, slice(None), classes=classes)))


def _mean_and_deviation(values: np.ndarray) -> dict[str, float | None]:
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1)) if len(values) > 1 else None}

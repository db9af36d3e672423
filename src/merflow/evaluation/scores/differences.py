"""Differences of one figure between predictors of scores, with Holm's adjustment over all pairs."""

from collections.abc import Mapping, Sequence

import numpy as np

from merflow.contracts.score_differences import FigureDifference
from merflow.evaluation.scores.metrics import Metric
from merflow.evaluation.significance import holm, paired_difference


def differences(
    metric: Metric,
    pairs: Sequence[tuple[str, str]],
    pooled: Mapping[str, np.ndarray],
    resampled: Mapping[str, np.ndarray],
    *,
    groups: int,
) -> list[FigureDifference] | None:
    """Compute the difference of a figure for all pairs; None if it is undefined for a variant or in a resample."""
    drawn = {name: metric(sums) for name, sums in resampled.items()}
    whole = {name: float(metric(sums)) for name, sums in pooled.items()}
    if not all(np.isfinite([*values, whole[name]]).all() for name, values in drawn.items()):
        return None
    found = [paired_difference(drawn[a], drawn[b], groups=groups) for a, b in pairs]
    adjusted = holm([difference.p_value for difference in found])
    return [
        FigureDifference(
            delta=whole[a] - whole[b],
            ci95=difference.interval,
            standard_error=difference.standard_error,
            p_bootstrap=difference.p_value,
            p_holm=p_holm,
        )
        for (a, b), difference, p_holm in zip(pairs, found, adjusted, strict=True)
    ]

"""Figures of the classics for scores, and their differences from the variants.

A classic is tested once on every utterance, a variant once per seed. The figures are ratios of sums, so both can be
resampled with the same dialogues and subtracted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.score_differences import ScoreClassic, ScoreClassicComparison
from merflow.contracts.task import Regression
from merflow.evaluation.classics import Classics, tested_alike
from merflow.evaluation.scores.differences import differences
from merflow.evaluation.scores.metrics import metrics_of, sums_of
from merflow.evaluation.scores.predictions import HeldOutScores, ScorePredictions, score_variants
from merflow.evaluation.scores.spread import measured


def score_classics_of(
    records: Sequence[ClassicRecord], table: pd.DataFrame | None, held_out: HeldOutScores, *, like: ScorePredictions
) -> Classics[ScorePredictions]:
    """Check the predictions of classics; see :func:`merflow.evaluation.classics.classics_of`.

    Raises:
        EvaluationError: Rows are missing or malformed, or a classic was tested on other utterances.
    """
    if table is None or not records:
        return Classics({}, {})
    return tested_alike(records, score_variants(table, held_out), like=like)


def figures_of_classics(
    classics: Classics[ScorePredictions], resampled: Mapping[str, np.ndarray], *, task: Regression, groups: int
) -> dict[str, ScoreClassic]:
    """Compute the figures of every classic.

    Args:
        classics: The classics.
        resampled: Sums ``(B, K)`` per classic.
        task: The scale.
        groups: Number of dialogues.
    """
    return {
        name: ScoreClassic(
            figures=measured(classics.predictions[name], task=task, groups=groups, resampled=resampled[name]),
            modalities=record.modalities,
            context=record.context,
            transcripts=record.transcripts,
            description=record.description,
        )
        for name, record in classics.records.items()
    }


def compared_with_classics(
    pairs: Sequence[tuple[str, str]],
    predictions: Mapping[str, ScorePredictions],
    resampled: Mapping[str, np.ndarray],
    *,
    task: Regression,
    groups: int,
) -> tuple[ScoreClassicComparison, ...]:
    """Compare variants with classics.

    Args:
        pairs: Every variant with every classic that it is comparable with.
        predictions: Predictions of variants and classics.
        resampled: Sums ``(B, K)`` of both, drawn with the same dialogues.
        task: The scale.
        groups: Number of dialogues.
    """
    if not pairs:
        return ()
    pooled = {name: sums_of(each.labels, each.scores, task).sum(axis=0) for name, each in predictions.items()}
    metrics = metrics_of(task)
    of_mae, of_ccc = (differences(metrics[name], pairs, pooled, resampled, groups=groups) for name in ("MAE", "CCC"))
    assert of_mae is not None, "an MAE is defined for any predictions"
    return tuple(
        ScoreClassicComparison(
            variant=variant, classic=classic, mae=of_mae[place], ccc=None if of_ccc is None else of_ccc[place]
        )
        for place, (variant, classic) in enumerate(pairs)
    )

"""Prediction tables of scores, checked on entry and aligned so that variants can be compared row by row."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.tables import SCORE_PREDICTIONS, conform
from merflow.contracts.task import Regression
from merflow.errors import EvaluationError
from merflow.evaluation.tested_rows import (
    AlignedRows,
    HeldOutData,
    check_same_tests,
    row_name,
    rows_by_variant,
)


@dataclass(frozen=True, kw_only=True)
class HeldOutScores(HeldOutData):
    """Test data with scores.

    Attributes:
        task: The scale of the labels.
    """

    task: Regression

    @classmethod
    def of(cls, data: HeldOutData, *, task: Regression) -> "HeldOutScores":
        """Return the data with their scale."""
        return cls(**vars(data), task=task)


@dataclass(frozen=True)
class ScorePredictions(AlignedRows):
    """Test predictions of one variant; ``labels`` are scores.

    Attributes:
        scores: ``(n,)`` predictions.
    """

    scores: np.ndarray


def score_variants(predictions: pd.DataFrame, held_out: HeldOutScores) -> dict[str, ScorePredictions]:
    """Check a table of predictions and split it by variant, in the order of first appearance.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.SCORE_PREDICTIONS` of one benchmark, all variants together.
        held_out: Data that the variants were tested on.

    Raises:
        EvaluationError: Rows are missing, duplicated, malformed or of another protocol; or the variants were not
            tested on the same utterances of the same folds and seeds.
        MerflowError: The columns are not those of the schema.
    """
    predictions = conform(predictions, SCORE_PREDICTIONS, where="predictions").to_pandas()
    _check_rows(predictions, task=held_out.task)
    variants = {
        name: ScorePredictions(
            variant=name,
            utterance_ids=rows["utterance_id"].to_numpy(dtype=object),
            folds=rows["fold"].to_numpy(dtype=np.int64),
            seeds=rows["seed"].to_numpy(dtype=np.int64),
            dialogues=rows["dialogue"].to_numpy(dtype=np.int64),
            labels=rows["label"].to_numpy(dtype=np.float64),
            scores=rows["score"].to_numpy(dtype=np.float64),
        )
        for name, rows in rows_by_variant(predictions, held_out).items()
    }
    check_same_tests(variants)
    return variants


def _check_rows(predictions: pd.DataFrame, *, task: Regression) -> None:
    infinite = predictions[~np.isfinite(predictions["score"])]
    if len(infinite):
        raise EvaluationError(
            f"{row_name(infinite)}: the score is {infinite['score'].iloc[0]} ({len(infinite)} such rows); train this "
            "fold again"
        )
    outside = predictions[~predictions["label"].between(task.low, task.high)]
    if len(outside):
        raise EvaluationError(
            f"{row_name(outside)}: label {outside['label'].iloc[0]:g} is outside the scale of {task.name}, "
            f"{task.low:g} to {task.high:g} ({len(outside)} such rows); evaluate with the task that the variant was "
            "trained on"
        )

"""Prediction tables of classes, checked on entry and aligned so that variants can be compared row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.tables import PREDICTIONS, conform
from merflow.errors import EvaluationError
from merflow.evaluation.tested_rows import AlignedRows, HeldOutData, check_same_tests, row_name, rows_by_variant

# Allowed distance of a row's sum from 1: probabilities are stored as float32 and may come from bfloat16.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class HeldOut(HeldOutData):
    """Test data with classes.

    Attributes:
        classes: Class order of the probabilities.
    """

    classes: tuple[str, ...]

    @classmethod
    def of(cls, data: HeldOutData, *, classes: tuple[str, ...]) -> "HeldOut":
        """Return the data with their classes."""
        return cls(**vars(data), classes=classes)


@dataclass(frozen=True)
class VariantPredictions(AlignedRows):
    """Test predictions of one variant; ``labels`` are class indices.

    Attributes:
        probabilities: ``(n, C)``.
    """

    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """``(n,)`` most likely class of each row; the first one in a tie."""
        most_likely: np.ndarray = self.probabilities.argmax(axis=1)
        return most_likely


def variants_of(predictions: pd.DataFrame, held_out: HeldOut) -> dict[str, VariantPredictions]:
    """Check a table of predictions and split it by variant, in the order of first appearance.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.PREDICTIONS` of one benchmark, all variants together.
        held_out: Data that the variants were tested on.

    Raises:
        EvaluationError: Rows are missing, duplicated, malformed or of another protocol; or the variants were not
            tested on the same utterances of the same folds and seeds.
        MerflowError: The columns are not those of the schema.
    """
    predictions = conform(predictions, PREDICTIONS, where="predictions").to_pandas()
    _check_rows(predictions, classes=held_out.classes)
    variants = {
        name: _arrays(name, rows, classes=held_out.classes)
        for name, rows in rows_by_variant(predictions, held_out).items()
    }
    check_same_tests(variants)
    return variants


def _check_rows(predictions: pd.DataFrame, *, classes: Sequence[str]) -> None:
    if predictions.empty:
        return
    unknown = predictions[~predictions["label"].isin(classes)]
    if len(unknown):
        raise EvaluationError(
            f"{row_name(unknown)}: label {unknown['label'].iloc[0]!r} is not one of the classes {list(classes)} "
            f"({len(unknown)} such rows); evaluate with the taxonomy that the variant was trained on"
        )
    counts = predictions["probabilities"].map(len)
    wrong = predictions[counts != len(classes)]
    if len(wrong):
        count = int(counts.loc[wrong.index[0]])
        raise EvaluationError(
            f"{row_name(wrong)}: {count} probabilities for {len(classes)} classes {list(classes)}; evaluate with the "
            "taxonomy that the variant was trained on"
        )
    values = np.stack([np.asarray(row, dtype=np.float64) for row in predictions["probabilities"]])
    sums = values.sum(axis=1)
    bad = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1) | (np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.any():
        row = [round(float(value), 6) for value in values[bad][0]]
        raise EvaluationError(
            f"{row_name(predictions[bad])}: probabilities {row} are not a distribution ({int(bad.sum())} such rows); "
            "train this fold again"
        )


def _arrays(variant: str, rows: pd.DataFrame, *, classes: Sequence[str]) -> VariantPredictions:
    index_of = {name: index for index, name in enumerate(classes)}
    return VariantPredictions(
        variant=variant,
        utterance_ids=rows["utterance_id"].to_numpy(dtype=object),
        folds=rows["fold"].to_numpy(dtype=np.int64),
        seeds=rows["seed"].to_numpy(dtype=np.int64),
        dialogues=rows["dialogue"].to_numpy(dtype=np.int64),
        labels=rows["label"].map(index_of).to_numpy(dtype=np.int64),
        probabilities=np.stack([np.asarray(row, dtype=np.float64) for row in rows["probabilities"]]),
    )

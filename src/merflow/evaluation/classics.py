"""Figures of the classics, their differences from the variants, and the leak that they reveal.

A classic is tested once on every utterance, a variant once per seed. UA is a mean of shares, so both can be resampled
with the same dialogues and subtracted. Shapes: n tests, G dialogues, B resamples, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.comparisons import ClassicComparison
from merflow.contracts.scores import ClassicScore
from merflow.contracts.streams import Modality
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import (
    confusion_matrix,
    macro_f1,
    recalls_of,
    unweighted_accuracy,
    unweighted_accuracy_of,
    weighted_accuracy_of,
    weighted_f1,
)
from merflow.evaluation.predictions import HeldOut, VariantPredictions, variants_of
from merflow.evaluation.significance import (
    holm,
    paired_difference,
)
from merflow.evaluation.spread import accuracy
from merflow.evaluation.tested_rows import AlignedRows


@dataclass(frozen=True)
class Reads:
    """The inputs of a variant.

    Attributes:
        modalities: Modalities that it reads.
        context: True if it reads the words of the turns around the utterance.
        transcripts: Kind of words, ``truth``, ``asr`` or both joined by a plus; None without words.
    """

    modalities: tuple[Modality, ...]
    context: bool
    transcripts: str | None


Predictions = TypeVar("Predictions", bound=AlignedRows)


@dataclass(frozen=True)
class Classics(Generic[Predictions]):
    """Test predictions of the classics that were tested on the utterances of the variants.

    Attributes:
        records: Facts per classic, by ``classic:name``.
        predictions: Predictions per classic, by the same names.
    """

    records: Mapping[str, ClassicRecord]
    predictions: Mapping[str, Predictions]


def classics_of(
    records: Sequence[ClassicRecord], table: pd.DataFrame | None, held_out: HeldOut, *, like: VariantPredictions
) -> Classics[VariantPredictions]:
    """Check the predictions of classics.

    Args:
        records: Facts per classic.
        table: Their predictions, rows of :data:`merflow.contracts.tables.PREDICTIONS`; None without classics.
        held_out: Data that the variants were tested on.
        like: A variant; the classics must have been tested on its utterances.

    Raises:
        EvaluationError: Rows are missing or malformed, or a classic was tested on other utterances.
    """
    if table is None or not records:
        return Classics({}, {})
    return tested_alike(records, variants_of(table, held_out), like=like)


def tested_alike(
    records: Sequence[ClassicRecord], predictions: Mapping[str, Predictions], *, like: AlignedRows
) -> Classics[Predictions]:
    """Return classics that were tested on the utterances of a variant.

    Raises:
        EvaluationError: One was tested on other utterances.
    """
    once = like.seeds == like.seeds.min()
    for name, classic in predictions.items():
        if not np.array_equal(classic.utterance_ids, like.utterance_ids[once]):
            raise EvaluationError(
                f"{name} was not tested on the {int(once.sum())} utterances of {like.variant}; run `merflow classics` "
                "with the manifest and splits of the variants"
            )
    return Classics({record.variant: record for record in records}, predictions)


def classic_scores(
    classics: Classics[VariantPredictions],
    resampled: Mapping[str, np.ndarray],
    *,
    classes: tuple[str, ...],
    groups: int,
) -> dict[str, ClassicScore]:
    """Compute the figures of every classic except the leak baseline.

    Args:
        classics: The classics.
        resampled: Confusion counts ``(B, C, C)`` per classic.
        classes: Class names.
        groups: G.
    """
    sizes = {"classes": len(classes), "groups": groups}
    scores = {}
    for name, record in classics.records.items():
        if record.leak:
            continue
        predictions, counts = classics.predictions[name], resampled[name]
        labels, predicted = predictions.labels, predictions.predicted
        recalls = recalls_of(confusion_matrix(labels, predicted, classes=len(classes)))
        scores[name] = ClassicScore(
            ua=accuracy(unweighted_accuracy_of, predictions, resampled=counts, **sizes),
            wa=accuracy(weighted_accuracy_of, predictions, resampled=counts, **sizes),
            macro_f1=macro_f1(labels, predicted, classes=len(classes)),
            weighted_f1=weighted_f1(labels, predicted, classes=len(classes)),
            per_class_recall={
                word: None if np.isnan(recall) else float(recall) for word, recall in zip(classes, recalls, strict=True)
            },
            modalities=record.modalities,
            context=record.context,
            transcripts=record.transcripts,
            description=record.description,
        )
    return scores


def comparable(record: ClassicRecord, reads: Reads) -> bool:
    """Return True if a classic reads nothing that a variant does not, and the variant's kind of words."""
    if record.leak or not set(record.modalities) <= set(reads.modalities) or (record.context and not reads.context):
        return False
    return record.transcripts is None or record.transcripts in (reads.transcripts or "").split("+")


def comparable_pairs(classics: Classics[Predictions], reads: Mapping[str, Reads]) -> list[tuple[str, str]]:
    """List every variant with every classic that it is comparable with.

    Args:
        classics: The classics.
        reads: Input per variant.
    """
    return [
        (variant, classic)
        for variant, read in reads.items()
        for classic, record in classics.records.items()
        if comparable(record, read)
    ]


def classic_comparisons(
    variants: Mapping[str, VariantPredictions],
    classics: Classics[VariantPredictions],
    resampled: Mapping[str, np.ndarray],
    *,
    reads: Mapping[str, Reads],
    groups: int,
) -> tuple[ClassicComparison, ...]:
    """Compare every variant with every classic that it is comparable with.

    Args:
        variants: Variants by name.
        classics: The classics.
        resampled: Confusion counts ``(B, C, C)`` of variants and classics, drawn with the same dialogues.
        reads: Input per variant.
        groups: G.
    """
    pairs = comparable_pairs(classics, reads)
    both = {**variants, **classics.predictions}
    size = next(iter(resampled.values())).shape[-1]
    pooled = {name: unweighted_accuracy(each.labels, each.predicted, classes=size) for name, each in both.items()}
    figures = {name: unweighted_accuracy_of(counts) for name, counts in resampled.items()}
    differences = [paired_difference(figures[variant], figures[classic], groups=groups) for variant, classic in pairs]
    adjusted = holm([difference.p_value for difference in differences])
    return tuple(
        ClassicComparison(
            variant=variant,
            classic=classic,
            delta_ua=pooled[variant] - pooled[classic],
            ci95=difference.interval,
            standard_error=difference.standard_error,
            p_bootstrap=difference.p_value,
            p_holm=p_holm,
        )
        for (variant, classic), difference, p_holm in zip(pairs, differences, adjusted, strict=True)
    )

"""Figures of the classics, their differences to the variants, and the leak that they uncover.

A classic is tested once on every utterance, a variant once per seed. UA is a mean of shares, so both may be resampled
with the same dialogues and subtracted. Shapes: n tests, G dialogues, B resamples, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.comparisons import ClassicComparison
from merflow.contracts.scores import ClassicScore, Interval
from merflow.contracts.streams import Modality
from merflow.contracts.text_leak import LearnedLeak, SettingGap, TextLeak
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
    FEWEST_DIALOGUES,
    dialogue_counts,
    holm,
    paired_difference,
    percentile_interval,
    resampled_counts,
)
from merflow.evaluation.spread import accuracy
from merflow.evaluation.tested_rows import AlignedRows

# An interval needs at least this share of resamples that hold every class in both settings.
_WHOLE_SHARE = 0.5


@dataclass(frozen=True)
class Reads:
    """Input of a variant.

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
        predictions: Predictions per classic, likewise.
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
        like: A variant, whose utterances the classics must have been tested on.

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
    """Compute the figures of every classic but the leak baseline.

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


def text_leak(
    variants: Mapping[str, VariantPredictions],
    classics: Classics[VariantPredictions],
    utterances: pd.DataFrame,
    *,
    classes: int,
    groups: int,
    samples: int,
    seed: int,
) -> TextLeak | None:
    """Compute the gap between scripted and improvised utterances, and the leak of TF-IDF; None without either.

    Args:
        variants: Variants by name.
        classics: The classics.
        utterances: utterance_id, at least of the tested utterances; and scripted where the corpus knows it.
        classes: C.
        groups: G.
        samples: B.
        seed: Seed of the resamples.
    """
    draws = {"classes": classes, "groups": groups, "samples": samples, "seed": seed}
    both = {**variants, **classics.predictions}
    tested = next(iter(both.values())).utterance_ids
    scripted = _scripted(utterances[utterances["utterance_id"].isin(tested)])
    gaps = {} if scripted is None else {name: _gap(each, scripted, **draws) for name, each in both.items()}
    learned = tuple(
        _learned(classics, name, scripted, **draws) for name, record in classics.records.items() if record.leak
    )
    return TextLeak(gaps=gaps, learned=learned) if gaps or learned else None


def _scripted(utterances: pd.DataFrame) -> "pd.Series[bool] | None":
    """Return True for scripted and False for improvised utterances, by id; None where one of them is not tested."""
    if "scripted" not in utterances:
        return None
    known = utterances.set_index("utterance_id")["scripted"].dropna().astype(bool)
    return known if known.nunique() == 2 else None


def _gap(
    variant: VariantPredictions, scripted: "pd.Series[bool]", *, classes: int, groups: int, samples: int, seed: int
) -> SettingGap:
    setting = scripted.reindex(variant.utterance_ids)
    masks = [setting.eq(value).to_numpy(dtype=bool) for value in (True, False)]
    counts = np.stack([_counts(variant, mask, classes=classes, groups=groups) for mask in masks])
    pooled = unweighted_accuracy_of(counts.sum(axis=1))
    figures = resampled_counts(counts, samples=samples, seed=seed)  # (2, B, C, C)
    occurs = counts.sum(axis=(1, 3)) > 0
    whole = ((figures.sum(axis=-1) > 0) | ~occurs[:, None, :]).all(axis=(0, 2))
    interval: Interval | None = None
    dialogues = min(len(set(variant.dialogues[mask].tolist())) for mask in masks)
    if whole.mean() >= _WHOLE_SHARE and dialogues >= FEWEST_DIALOGUES:
        ua = unweighted_accuracy_of(figures[:, whole])
        interval = percentile_interval(ua[0] - ua[1], groups=dialogues)
    return SettingGap(
        scripted=float(pooled[0]), improvised=float(pooled[1]), gap=float(pooled[0] - pooled[1]), ci95=interval
    )


def _learned(
    classics: Classics[VariantPredictions],
    unseen: str,
    scripted: "pd.Series[bool] | None",
    *,
    classes: int,
    groups: int,
    samples: int,
    seed: int,
) -> LearnedLeak:
    classic = next(
        name
        for name, record in classics.records.items()
        if (record.modalities, record.context, record.transcripts, record.leak)
        == (("text",), False, classics.records[unseen].transcripts, False)
    )
    first = classics.predictions[classic]
    tested = np.ones(len(first.labels), dtype=bool)
    if scripted is not None:
        tested = scripted.reindex(first.utterance_ids).eq(True).to_numpy(dtype=bool)
    pair = (first, classics.predictions[unseen])
    counts = np.stack([_counts(each, tested, classes=classes, groups=groups) for each in pair])
    ua, ua_unseen = unweighted_accuracy_of(counts.sum(axis=1)).tolist()
    resampled = resampled_counts(counts, samples=samples, seed=seed)
    filled = resampled[0].sum(axis=(-1, -2)) > 0
    figures = unweighted_accuracy_of(resampled[:, filled])
    dialogues = len(set(first.dialogues[tested].tolist()))
    return LearnedLeak(
        classic=classic,
        unseen=unseen,
        group="all" if scripted is None else "scripted",
        utterances=int(tested.sum()),
        ua=ua,
        ua_unseen=ua_unseen,
        leak=ua - ua_unseen,
        ci95=percentile_interval(figures[0] - figures[1], groups=dialogues),
    )


def _counts(variant: VariantPredictions, rows: np.ndarray, *, classes: int, groups: int) -> np.ndarray:
    cells = variant.labels[rows] * classes + variant.predicted[rows]
    return dialogue_counts(cells, variant.dialogues[rows], groups=groups, classes=classes)

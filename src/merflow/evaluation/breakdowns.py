"""Figures of a variant by setting, session, speaker, emotion and duration of the utterance.

Shapes: V variants, G dialogues, B resamples, C classes.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from merflow.contracts.scores import Breakdown, Group, Interval
from merflow.evaluation.metrics import unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import FEWEST_DIALOGUES, dialogue_counts, resampled_counts, widened_interval

# Quartiles are enough to see a trend, and each still has many utterances.
_LENGTH_QUANTILES = (0.25, 0.5, 0.75)
# An interval needs at least this share of resamples with every class of the group.
_WHOLE_SHARE = 0.5

# Name of a group -> mask of its rows.
Masks = dict[str, np.ndarray]


def breakdowns(
    variants: Mapping[str, VariantPredictions],
    utterances: pd.DataFrame,
    *,
    classes: tuple[str, ...],
    samples: int,
    seed: int,
) -> dict[str, dict[Breakdown, tuple[Group, ...]]]:
    """Compute the figures of every group of utterances, per variant and kind of group.

    UA is the mean recall of the classes that occur in the group. The interval resamples the group's dialogues, and is
    widened if there are few of them. There is no interval for too few dialogues, or if most resamples lack a class,
    because their UA would average over different classes.

    Args:
        variants: Variants by name, with the same tests.
        utterances: utterance_id; and scripted, session, speaker and duration_s if the corpus has them. Utterances with
            a null value belong to no group.
        classes: Class order of the labels.
        samples: B.
        seed: Seed of the resamples.
    """
    first = next(iter(variants.values()))
    facts = utterances.set_index("utterance_id").reindex(first.utterance_ids)
    by_kind: dict[Breakdown, Masks] = {
        "setting": by_setting(facts),
        "session": values_in(facts, "session"),
        "speaker": values_in(facts, "speaker"),
        "emotion": {name: first.labels == index for index, name in enumerate(classes)},
        "length": quarters_by_length(facts),
    }
    by_variant: dict[str, dict[Breakdown, tuple[Group, ...]]] = {name: {} for name in variants}
    for kind, masks in by_kind.items():
        rows = [
            _groups(name, variants, mask, classes=len(classes), samples=samples, seed=seed)
            for name, mask in masks.items()
        ]
        for position, variant in enumerate(variants):
            groups = (row[position] for row in rows)
            by_variant[variant][kind] = tuple(
                group.model_copy(update={"wa": None}) if kind == "emotion" else group for group in groups
            )
    return by_variant


def group_figures(
    variant: VariantPredictions, values: pd.Series, *, classes: int, samples: int, seed: int
) -> tuple[Group, ...]:
    """Compute the figures of every group of one variant, sorted by name.

    Args:
        variant: Predictions.
        values: Group of each utterance, indexed by utterance_id; utterances with a null value belong to no group.
        classes: C.
        samples: B.
        seed: Seed of the resamples.
    """
    facts = values.rename("group").to_frame().reindex(variant.utterance_ids)
    return tuple(
        _groups(name, {variant.variant: variant}, mask, classes=classes, samples=samples, seed=seed)[0]
        for name, mask in values_in(facts, "group").items()
    )


def by_setting(facts: pd.DataFrame) -> Masks:
    """Divide the utterances into scripted and improvised ones."""
    by_value = values_in(facts, "scripted")
    words = {"True": "scripted", "False": "improvised"}
    return {word: by_value[value] for value, word in words.items() if value in by_value}


def values_in(facts: pd.DataFrame, column: str) -> Masks:
    """Return a mask per value of a column, as text and sorted; none for a column that the corpus lacks."""
    if column not in facts:
        return {}
    values = facts[column].astype("string")
    return {
        str(value): (values == value).fillna(False).to_numpy(dtype=bool) for value in sorted(values.dropna().unique())
    }


def quarters_by_length(facts: pd.DataFrame) -> Masks:
    """Divide the utterances into quartiles by ``duration_s``, with edges at tenths of a second."""
    if "duration_s" not in facts or facts["duration_s"].isna().all():
        return {}
    lengths_s = facts["duration_s"].to_numpy(dtype=np.float64)
    known = ~np.isnan(lengths_s)
    once = facts.loc[known, "duration_s"].groupby(level=0).first()
    edges = sorted({round(float(edge), 1) for edge in once.quantile(list(_LENGTH_QUANTILES))})
    names = [
        f"under {edges[0]:.1f} s",
        *(f"{low:.1f} to {high:.1f} s" for low, high in pairwise(edges)),
        f"{edges[-1]:.1f} s and more",
    ]
    quarter = np.searchsorted(edges, lengths_s, side="right")
    masks = {name: known & (quarter == index) for index, name in enumerate(names)}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _groups(
    name: str,
    variants: Mapping[str, VariantPredictions],
    rows: np.ndarray,
    *,
    classes: int,
    samples: int,
    seed: int,
) -> list[Group]:
    """Compute the figures of one group, for each variant."""
    first = next(iter(variants.values()))
    if not rows.any():
        return [Group(group=name, utterances=0, classes=0, ua=None, wa=None, ci95=None) for _ in variants]
    _, dialogues = np.unique(first.dialogues[rows], return_inverse=True)
    groups = int(dialogues.max()) + 1
    cells = (variant.labels[rows] * classes + variant.predicted[rows] for variant in variants.values())
    counts = np.stack([dialogue_counts(each, dialogues, groups=groups, classes=classes) for each in cells])
    pooled = counts.sum(axis=1)  # (V, C, C)
    occurs = pooled[0].sum(axis=-1) > 0
    intervals = _intervals(counts, occurs, samples=samples, seed=seed)
    return [
        Group(
            group=name,
            utterances=len(set(first.utterance_ids[rows].tolist())),
            classes=int(occurs.sum()),
            ua=float(ua),
            wa=float(wa),
            ci95=interval,
        )
        for ua, wa, interval in zip(
            unweighted_accuracy_of(pooled), weighted_accuracy_of(pooled), intervals, strict=True
        )
    ]


def _intervals(counts: np.ndarray, occurs: np.ndarray, *, samples: int, seed: int) -> list[Interval | None]:
    """Compute the interval of UA for each variant, from counts ``(V, G, C, C)``."""
    groups = counts.shape[1]
    if groups < FEWEST_DIALOGUES:
        return [None] * len(counts)
    resampled = resampled_counts(counts, samples=samples, seed=seed)  # (V, B, C, C)
    whole = (resampled[0].sum(axis=-1) > 0)[:, occurs].all(axis=1)
    if whole.mean() < _WHOLE_SHARE:
        return [None] * len(counts)
    figures = unweighted_accuracy_of(resampled[:, whole])
    return [widened_interval(values, groups=groups) for values in figures]

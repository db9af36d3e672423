"""Where a variant is good and where it is not: its figures by setting, session, speaker, emotion and length.

Shapes: V variants, G dialogues, B resamples, C classes.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from merflow.evaluation.metrics import unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import FEWEST_DIALOGUES, dialogue_counts, resampled_counts, widened_interval

# Lengths are cut into quarters: enough to see a trend, and each still holds many utterances.
_LENGTH_QUANTILES = (0.25, 0.5, 0.75)
# An interval needs this share of resamples that hold every class of the group.
_WHOLE_SHARE = 0.5

# Group -> which rows it has.
Groups = dict[str, np.ndarray]


def breakdowns(
    variants: Mapping[str, VariantPredictions],
    utterances: pd.DataFrame,
    *,
    classes: tuple[str, ...],
    samples: int,
    seed: int,
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Variant -> ``setting``, ``session``, ``speaker``, ``emotion``, ``length`` -> one entry a group.

    UA is the mean recall of the ``classes`` (how many) that the group's labels hold; of one emotion it is its recall,
    and WA is null. The interval resamples the group's dialogues, and is widened for few of them. It is null where they
    are too few to tell, or where most resamples lack a class, which would be the mean of other classes.

    Args:
        variants: By name, of the same tests.
        utterances: utterance_id; and, where the corpus has them, scripted, session, speaker, duration_s. An utterance
            whose value is null is in no group.
        classes: Class order of the labels.
        samples: B.
        seed: Of the resamples.
    """
    first = next(iter(variants.values()))
    facts = utterances.set_index("utterance_id").reindex(first.utterance_ids)
    by_kind: dict[str, Groups] = {
        "setting": _settings(facts),
        "session": _values(facts, "session"),
        "speaker": _values(facts, "speaker"),
        "emotion": {name: first.labels == index for index, name in enumerate(classes)},
        "length": _lengths(facts),
    }
    found: dict[str, dict[str, list[dict[str, Any]]]] = {name: {kind: [] for kind in by_kind} for name in variants}
    for kind, groups in by_kind.items():
        for group, rows in groups.items():
            entries = _entries(variants, rows, classes=len(classes), samples=samples, seed=seed)
            for name, entry in zip(variants, entries, strict=True):
                if kind == "emotion":
                    entry["WA"] = None
                found[name][kind].append({"group": group, **entry})
    return found


def _settings(facts: pd.DataFrame) -> Groups:
    by_value = _values(facts, "scripted")
    words = {"True": "scripted", "False": "improvised"}
    return {word: by_value[value] for value, word in words.items() if value in by_value}


def _values(facts: pd.DataFrame, column: str) -> Groups:
    """Each value of a column, as text and sorted."""
    if column not in facts:
        return {}
    values = facts[column].astype("string")
    return {
        str(value): (values == value).fillna(False).to_numpy(dtype=bool) for value in sorted(values.dropna().unique())
    }


def _lengths(facts: pd.DataFrame) -> Groups:
    """Quarters of the tested utterances by length, cut at tenths of a second."""
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
    place = np.searchsorted(edges, lengths_s, side="right")
    groups = {name: known & (place == index) for index, name in enumerate(names)}
    return {name: rows for name, rows in groups.items() if rows.any()}


def _entries(
    variants: Mapping[str, VariantPredictions], rows: np.ndarray, *, classes: int, samples: int, seed: int
) -> list[dict[str, Any]]:
    """One entry a variant, of the same rows."""
    first = next(iter(variants.values()))
    if not rows.any():
        return [{"utterances": 0, "classes": 0, "UA": None, "WA": None, "ci95": None} for _ in variants]
    _, dialogues = np.unique(first.dialogues[rows], return_inverse=True)
    groups = int(dialogues.max()) + 1
    cells = (variant.labels[rows] * classes + variant.predicted[rows] for variant in variants.values())
    counts = np.stack([dialogue_counts(each, dialogues, groups=groups, classes=classes) for each in cells])
    pooled = counts.sum(axis=1)  # (V, C, C)
    occurs = pooled[0].sum(axis=-1) > 0
    intervals = _intervals(counts, occurs, samples=samples, seed=seed)
    return [
        {
            "utterances": len(set(first.utterance_ids[rows].tolist())),
            "classes": int(occurs.sum()),
            "UA": float(ua),
            "WA": float(wa),
            "ci95": interval,
        }
        for ua, wa, interval in zip(
            unweighted_accuracy_of(pooled), weighted_accuracy_of(pooled), intervals, strict=True
        )
    ]


def _intervals(counts: np.ndarray, occurs: np.ndarray, *, samples: int, seed: int) -> list[list[float] | None]:
    """Of UA, one a variant, from counts ``(V, G, C, C)``."""
    groups = counts.shape[1]
    if groups < FEWEST_DIALOGUES:
        return [None] * len(counts)
    resampled = resampled_counts(counts, samples=samples, seed=seed)  # (V, B, C, C)
    whole = (resampled[0].sum(axis=-1) > 0)[:, occurs].all(axis=1)
    if whole.mean() < _WHOLE_SHARE:
        return [None] * len(counts)
    figures = unweighted_accuracy_of(resampled[:, whole])
    intervals = (widened_interval(values, groups=groups) for values in figures)
    return [None if interval is None else list(interval) for interval in intervals]

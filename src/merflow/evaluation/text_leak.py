"""Signs that words give emotions away because training and test data repeat lines.

Shapes: n tests, G dialogues, B resamples, C classes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from merflow.contracts.scores import Interval
from merflow.contracts.text_leak import LearnedLeak, SettingGap, TextLeak
from merflow.evaluation.classics import Classics
from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import FEWEST_DIALOGUES, dialogue_counts, percentile_interval, resampled_counts

# An interval needs at least this share of resamples with every class in both settings.
_WHOLE_SHARE = 0.5


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
    """Compute the gap between scripted and improvised utterances, and the leak of TF-IDF; None if there is neither.

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
    """Return True for scripted and False for improvised utterances, by id; None if one of them is not tested."""
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

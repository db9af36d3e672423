"""The tables behind plots that other tools draw, above all ``dvc plots``: one small CSV a variant and kind of plot."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

# Fold and seed -> per-epoch figures, first epoch first.
Histories = Mapping[tuple[int, int], Sequence[Mapping[str, float]]]


def headline(results: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Variant -> the pooled figures that a person compares first; UA, WA and so on are shares, 0 to 1."""
    return {
        variant: {
            "UA": entry["UA"]["pooled"],
            "WA": entry["WA"]["pooled"],
            "macro_f1": entry["macro_f1"],
            "ece": entry["ece"],
        }
        for variant, entry in results["variants"].items()
    }


def learning_curves(histories: Histories) -> pd.DataFrame:
    """One row an epoch of every fold and seed of a variant: fold, seed, epoch, train_loss, dev_loss, dev_ua."""
    rows = [
        {"fold": fold, "seed": seed, **{name: epoch[name] for name in ("epoch", "train_loss", "dev_loss", "dev_ua")}}
        for (fold, seed), epochs in sorted(histories.items())
        for epoch in epochs
    ]
    return pd.DataFrame(rows)


def confusion_rows(counts: Sequence[Sequence[int]], *, classes: Sequence[str]) -> pd.DataFrame:
    """One row a test prediction, ``actual`` and ``predicted``, as DVC's confusion plot counts them.

    Args:
        counts: ``(C, C)``, true class in rows.
        classes: Names in that order.
    """
    pairs = [
        (actual, predicted)
        for actual, row in zip(classes, counts, strict=True)
        for predicted, count in zip(classes, row, strict=True)
        for _ in range(count)
    ]
    return pd.DataFrame(pairs, columns=["actual", "predicted"])


def reliability_bins(bins: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """One row a bin of ``results.json``: utterances, mean confidence and accuracy."""
    return pd.DataFrame(bins)[["confidence", "accuracy", "utterances"]]

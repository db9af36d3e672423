"""Small tables that other tools draw, above all ``dvc plots``: one CSV per variant and kind of plot."""

from collections.abc import Mapping, Sequence

import pandas as pd

from merflow.contracts.history import EpochFigures
from merflow.contracts.results import Results
from merflow.contracts.scores import ReliabilityBin

# Fold and seed -> epochs, first one first.
History = Mapping[tuple[int, int], Sequence[EpochFigures]]


def headline(results: Results) -> dict[str, dict[str, float]]:
    """Return the pooled figures that people compare first, per variant; shares, 0 to 1."""
    return {
        name: {
            "UA": variant.ua.pooled,
            "WA": variant.wa.pooled,
            "macro_f1": variant.macro_f1,
            "ece": variant.ece,
        }
        for name, variant in results.variants.items()
    }


def learning_curves(history: History) -> pd.DataFrame:
    """Return one row per epoch of every fold and seed: fold, seed, epoch, train_loss, dev_loss, dev_ua."""
    rows = [
        (fold, seed, row.epoch, row.train_loss, row.dev_loss, row.dev_ua)
        for (fold, seed), epochs in sorted(history.items())
        for row in epochs
    ]
    return pd.DataFrame(rows, columns=["fold", "seed", "epoch", "train_loss", "dev_loss", "dev_ua"])


def confusion_rows(counts: Sequence[Sequence[int]], *, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row per test prediction, ``actual`` and ``predicted``, as DVC's confusion plot counts them.

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


def reliability_bins(bins: Sequence[ReliabilityBin]) -> pd.DataFrame:
    """Return one row per bin: mean confidence, accuracy and number of utterances."""
    columns = ["confidence", "accuracy", "utterances"]
    return pd.DataFrame([(each.confidence, each.accuracy, each.utterances) for each in bins], columns=columns)

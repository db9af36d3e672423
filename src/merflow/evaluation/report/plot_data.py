"""Small tables for other tools, mainly ``dvc plots``: one CSV per variant and kind of plot."""

from collections.abc import Mapping, Sequence

import pandas as pd

from merflow.contracts.history import EpochFigures
from merflow.contracts.score_figures import Cell, ErrorBin, ResidualBin
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.contracts.scores import ReliabilityBin

# Fold and seed -> epochs, first one first.
History = Mapping[tuple[int, int], Sequence[EpochFigures]]

# The development figures of emotions and of scores.
_DEVELOPMENT = ("dev_ua", "dev_mae", "dev_ccc")


def headline(results: AnyResults) -> dict[str, dict[str, float]]:
    """Return the main pooled figures per variant; UA, WA, ACC and F1 are shares, 0 to 1."""
    if isinstance(results, ScoreResults):
        return {
            name: {figure: value.pooled for figure, value in variant.figures.items() if value.pooled is not None}
            for name, variant in results.variants.items()
        }
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
    """Return one row per epoch of every fold and seed: fold, seed, epoch, losses and the task's development figure."""
    rows = [
        {
            "fold": fold,
            "seed": seed,
            "epoch": row.epoch,
            "train_loss": row.train_loss,
            "dev_loss": row.dev_loss,
            **{name: row.figures[name] for name in _DEVELOPMENT if name in row.figures},
        }
        for (fold, seed), epochs in sorted(history.items())
        for row in epochs
    ]
    return pd.DataFrame(rows, columns=None if rows else ["fold", "seed", "epoch", "train_loss", "dev_loss", "dev_ua"])


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


def scatter_cells(cells: Sequence[Cell]) -> pd.DataFrame:
    """Return one row per cell of a scatter plot: truth, prediction and number of tests."""
    columns = ["truth", "predicted", "tests"]
    return pd.DataFrame([(each.truth, each.predicted, each.tests) for each in cells], columns=columns)


def residual_rows(bins: Sequence[ResidualBin]) -> pd.DataFrame:
    """Return one row per step of the truth: number of tests, mean residual and quartiles."""
    columns = ["truth", "tests", "mean", "q25", "median", "q75"]
    return pd.DataFrame([(each.step, each.tests, each.mean, *each.quartiles) for each in bins], columns=columns)


def error_rows(bins: Sequence[ErrorBin]) -> pd.DataFrame:
    """Return one row per bin of the errors: its edges and number of tests."""
    return pd.DataFrame([(each.low, each.high, each.tests) for each in bins], columns=["low", "high", "tests"])

"""Linear support vector regression of scores, on the same columns as the classics for classes.

C and any other settings of a classic are chosen by the lowest mean absolute error on development data. Predictions
outside the scale are clipped to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merflow.classics.folds import Fold
from merflow.classics.support_vectors import standardized
from merflow.classics.words import Reader, weighted_counts

# The same range as for classes; rows of word columns have length 1, so their C is larger.
_COSTS_OF_FUNCTIONALS = (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001)
_COSTS_OF_WORDS = (1.0, 10.0, 0.1, 100.0, 0.01)
_TOLERATED = 0.1  # errors up to this, in units of the scale, cost nothing


@dataclass(frozen=True)
class ScoreOutcome:
    """The chosen regression of a fold.

    Attributes:
        settings: Its settings in words.
        dev_mae: Its development mean absolute error.
        scores: ``(n,)`` of the test part.
    """

    settings: str
    dev_mae: float
    scores: np.ndarray


def scores_of_functionals(fold: Fold, rows: dict[str, np.ndarray]) -> ScoreOutcome:
    """Fit functionals.

    Args:
        fold: The fold.
        rows: Utterance -> its functionals; NaN if they are unknown, which counts as the mean.
    """
    return _chosen(fold, [("", standardized(fold, rows))], costs=_COSTS_OF_FUNCTIONALS)


def scores_of_words(fold: Fold, ways: Mapping[str, Reader]) -> ScoreOutcome:
    """Fit each of these ways to read the words, and keep the one that does best on development data."""
    columns = ((way, tuple(weighted_counts(fold, read))) for way, read in ways.items())
    return _chosen(fold, columns, costs=_COSTS_OF_WORDS)


def _chosen(fold: Fold, ways: Iterable[tuple[str, Sequence[Any]]], *, costs: Sequence[float]) -> ScoreOutcome:
    from sklearn.svm import LinearSVR

    assert fold.score is not None, "these labels are classes"
    low, high = fold.score.low, fold.score.high
    # The constant is penalized like every weight, so the mean is subtracted first.
    mean = float(fold.labels["train"].mean())
    best: ScoreOutcome | None = None
    for way, (train, dev, test) in ways:
        for cost in costs:
            # With the squared loss, the solution does not depend on a random order of the utterances.
            machine = LinearSVR(C=cost, epsilon=_TOLERATED, loss="squared_epsilon_insensitive", dual=False)
            machine.fit(train, fold.labels["train"] - mean)
            of_dev, of_test = (np.clip(machine.predict(part) + mean, low, high) for part in (dev, test))
            dev_mae = float(np.abs(of_dev - fold.labels["dev"]).mean())
            if best is None or dev_mae < best.dev_mae:
                best = ScoreOutcome(", ".join(filter(None, [f"C {cost:g}", way])), dev_mae, of_test)
    assert best is not None, "no candidates"
    return best

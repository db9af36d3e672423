"""One-vs-rest support vector machines on functionals of recordings.

Columns are standardized with the statistics of the data that a machine is fitted on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from merflow.classics.decisions import Decisions, Outcome, chosen
from merflow.classics.folds import Fold

Kernel = Literal["linear", "rbf"]

# The linear machine's C spans what the ComParE challenges try.
_LINEAR_COSTS = (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001)
_RADIAL_COSTS = (1.0, 10.0, 0.1, 100.0)
# Gamma times the number of columns; 1 is scikit-learn's `scale` for standardized columns.
_GAMMAS = (1.0, 0.3, 3.0, 0.1)
_CONSTANT = 1e-10  # a column whose deviation is below this carries no information


def of_functionals(fold: Fold, rows: dict[str, np.ndarray], *, kernel: Kernel) -> Outcome:
    """Fit functionals with settings chosen on development data.

    Args:
        fold: The fold.
        rows: Utterance -> its functionals; NaN if they are unknown, which counts as the mean.
        kernel: ``linear``, or ``rbf`` with a width that is chosen too.
    """
    gammas, costs = (_GAMMAS, _RADIAL_COSTS) if kernel == "rbf" else ((None,), _LINEAR_COSTS)
    candidates = _candidates(fold, rows, gammas=gammas, costs=costs)
    return chosen(candidates, fold.labels["dev"], classes=fold.classes)


def of_functionals_at(fold: Fold, rows: dict[str, np.ndarray], *, cost: float) -> Outcome:
    """Fit functionals with a linear machine with a given C, on the training and the development part.

    The development UA and the calibration come from a machine that is fitted on the training part only.

    Args:
        fold: The fold.
        rows: As for :func:`of_functionals`.
        cost: C.
    """
    alone, whole = (
        next(_candidates(each, rows, gammas=(None,), costs=(cost,))) for each in (fold, fold.with_development())
    )
    return chosen([replace(alone, test=whole.test)], fold.labels["dev"], classes=fold.classes)


def _candidates(
    fold: Fold, rows: dict[str, np.ndarray], *, gammas: Sequence[float | None], costs: Sequence[float]
) -> Iterator[Decisions]:
    train, dev, test = standardized(fold, rows)
    for gamma in gammas:
        similar = [_similarity(part, train, gamma=gamma) for part in (train, dev, test)]
        for cost in costs:
            settings = f"C {cost:g}" + ("" if gamma is None else f", gamma {gamma:g} / columns")
            yield Decisions(settings, *_decisions(similar, fold=fold, cost=cost))


def _decisions(similar: list[np.ndarray], *, fold: Fold, cost: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the decision values ``(n, C)`` of the development and test part."""
    from sklearn.svm import SVC

    train, *others = similar
    dev, test = (np.empty((len(part), fold.classes)) for part in others)
    for index in range(fold.classes):
        machine = SVC(C=cost, kernel="precomputed", class_weight="balanced").fit(train, fold.labels["train"] == index)
        dev[:, index], test[:, index] = (machine.decision_function(part) for part in others)
    return dev, test


def _similarity(part: np.ndarray, train: np.ndarray, *, gamma: float | None) -> np.ndarray:
    """Return the kernel ``(n, n_train)``: linear without gamma."""
    products: np.ndarray = part @ train.T
    if gamma is None:
        return products
    lengths, train_lengths = (np.square(each).sum(axis=1) for each in (part, train))
    distances = lengths[:, None] + train_lengths[None, :] - 2 * products
    similarity: np.ndarray = np.exp(-gamma / train.shape[1] * np.maximum(distances, 0.0))
    return similarity


def standardized(fold: Fold, rows: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the standardized columns ``(n, D)`` of the training, development and test part."""
    train, dev, test = (np.stack([rows[name] for name in fold.ids[part]]) for part in ("train", "dev", "test"))
    known = ~np.isnan(train).all(axis=0)
    mean, deviation = np.nanmean(train[:, known], axis=0), np.nanstd(train[:, known], axis=0)
    varies = deviation > _CONSTANT

    def scaled(part: np.ndarray) -> np.ndarray:
        values = (part[:, known] - mean)[:, varies] / deviation[varies]
        filled: np.ndarray = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        return filled

    return scaled(train), scaled(dev), scaled(test)

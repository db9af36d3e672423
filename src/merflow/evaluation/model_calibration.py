"""From prediction tables to the calibration of a model, with its results on unseen data.

Every fold is calibrated on its own development predictions and measured on its test predictions. The model itself is
calibrated on the development predictions of all folds together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.calibration_record import ANY_GROUP, Calibration, GroupCoverage, HeldOutCalibration
from merflow.errors import EvaluationError
from merflow.evaluation.calibration import calibration_error
from merflow.evaluation.conformal import coverage_of, fit_thresholds, in_sets
from merflow.evaluation.temperature import fit_temperature, mean_nll, scaled

COVERAGE = 0.9


@dataclass(frozen=True)
class _Rows:
    """Predictions of one or several folds as arrays with n rows."""

    utterance_ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, *, classes: tuple[str, ...], groups: Mapping[str, str]) -> "_Rows":
        index_of = {name: index for index, name in enumerate(classes)}
        names = table["utterance_id"].to_numpy(dtype=object)
        return cls(
            utterance_ids=names,
            labels=table["label"].map(index_of).to_numpy(dtype=np.int64),
            probabilities=np.stack([np.asarray(row, dtype=np.float64) for row in table["probabilities"]]),
            groups=np.array([groups.get(name, ANY_GROUP) for name in names], dtype=object),
        )

    def scaled(self, temperature: float) -> "_Rows":
        """Return the same after temperature scaling."""
        return _Rows(self.utterance_ids, self.labels, scaled(self.probabilities, temperature), self.groups)

    def coverage(self, sets: np.ndarray, rows: np.ndarray) -> GroupCoverage:
        """Return the coverage of some rows' sets."""
        return coverage_of(self.labels[rows], sets[rows], utterance_ids=self.utterance_ids[rows].tolist())


@dataclass(frozen=True)
class _Fitted:
    temperature: float
    thresholds: dict[str, float]

    @classmethod
    def on(cls, rows: _Rows, *, coverage: float) -> "_Fitted":
        temperature = fit_temperature(rows.labels, rows.probabilities)
        calibrated = rows.scaled(temperature)
        of_true_class = calibrated.probabilities[np.arange(len(rows.labels)), rows.labels]
        return cls(temperature, fit_thresholds(of_true_class, groups=rows.groups.tolist(), coverage=coverage))


def calibrate(
    development: pd.DataFrame,
    test: pd.DataFrame,
    *,
    classes: tuple[str, ...],
    groups: Mapping[str, str],
    grouped_by: str,
    bins: int,
    coverage: float = COVERAGE,
) -> Calibration:
    """Return the calibration of a variant.

    Args:
        development: Development predictions of all folds and seeds (:data:`merflow.contracts.tables.PREDICTIONS`).
        test: Their test predictions.
        classes: Class order of the probabilities.
        groups: Group of each utterance; utterances of an unknown group are left out.
        grouped_by: Column that forms the groups; empty for none.
        bins: Bins of the expected calibration error.
        coverage: Share of conformal sets that should contain the true class.

    Raises:
        EvaluationError: A fold has no development predictions, ``coverage`` is not between 0 and 1, or crepes is not
            installed.
    """
    whole = _Rows.of(development, classes=classes, groups=groups)
    fitted = _Fitted.on(whole, coverage=coverage)
    return Calibration(
        temperature=fitted.temperature,
        coverage=coverage,
        grouped_by=grouped_by,
        thresholds=fitted.thresholds,
        utterances=utterance_counts(whole.utterance_ids, whole.groups),
        held_out=_held_out(
            [
                (_Rows.of(own, classes=classes, groups=groups), _Rows.of(tested, classes=classes, groups=groups))
                for own, tested in by_fold(development, test)
            ],
            coverage=coverage,
            bins=bins,
        ),
    )


def utterance_counts(utterance_ids: np.ndarray, groups: np.ndarray) -> dict[str, int]:
    """Return the number of utterances of each group that occurs, and of all below ``ANY_GROUP``."""
    counts = {group: len(set(utterance_ids[groups == group])) for group in sorted(set(groups))}
    return {**counts, ANY_GROUP: len(set(utterance_ids))}


def group_masks(groups: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mask ``(n,)`` of the rows of each known group, and of all rows below ``ANY_GROUP``."""
    masks = {str(group): np.asarray(groups == group) for group in sorted(set(groups) - {ANY_GROUP})}
    return {**masks, ANY_GROUP: np.ones(len(groups), dtype=bool)}


def by_fold(development: pd.DataFrame, test: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield the development and test predictions of every fold and seed.

    Raises:
        EvaluationError: A fold has no development predictions.
    """
    of_fold = dict(iter(development.groupby(["fold", "seed"])))
    for (fold, seed), tested in test.groupby(["fold", "seed"]):
        if (fold, seed) not in of_fold:
            raise EvaluationError(f"fold {fold} seed {seed} has no development predictions; train it again")
        yield of_fold[fold, seed], tested


def _held_out(pairs: list[tuple[_Rows, _Rows]], *, coverage: float, bins: int) -> HeldOutCalibration:
    """Return the figures of the test rows, with each fold calibrated on its own development rows."""
    after, sets = [], []
    for own, tested in pairs:
        fitted = _Fitted.on(own, coverage=coverage)
        after.append(tested.scaled(fitted.temperature))
        sets.append(in_sets(after[-1].probabilities, groups=tested.groups.tolist(), thresholds=fitted.thresholds))
    before, calibrated, in_set = _joined([tested for _, tested in pairs]), _joined(after), np.concatenate(sets)
    return HeldOutCalibration(
        utterances=len(set(before.utterance_ids)),
        ece_before=calibration_error(before.labels, before.probabilities, bins=bins),
        ece_after=calibration_error(calibrated.labels, calibrated.probabilities, bins=bins),
        nll_before=mean_nll(before.labels, before.probabilities),
        nll_after=mean_nll(calibrated.labels, calibrated.probabilities),
        groups={group: calibrated.coverage(in_set, rows) for group, rows in group_masks(calibrated.groups).items()},
    )


def _joined(parts: list[_Rows]) -> _Rows:
    return _Rows(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("utterance_ids", "labels", "probabilities", "groups")
        )
    )

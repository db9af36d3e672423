"""From prediction tables to the calibration of a score model, with its results on unseen data.

Folds are used as in :mod:`merflow.evaluation.model_calibration`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.score_calibration import HeldOutIntervals, IntervalCoverage, ScoreCalibration
from merflow.contracts.task import Regression
from merflow.evaluation.model_calibration import COVERAGE, by_fold, group_masks, utterance_counts
from merflow.evaluation.scores.intervals import coverage_of_intervals, fit_half_widths, intervals


@dataclass(frozen=True)
class _Rows:
    """Predictions of one or several folds as arrays with n rows."""

    utterance_ids: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, *, groups: Mapping[str, str]) -> "_Rows":
        names = table["utterance_id"].to_numpy(dtype=object)
        return cls(
            utterance_ids=names,
            labels=table["label"].to_numpy(dtype=np.float64),
            scores=table["score"].to_numpy(dtype=np.float64),
            groups=np.array([groups.get(name, ANY_GROUP) for name in names], dtype=object),
        )

    def half_widths(self, *, task: Regression, coverage: float) -> dict[str, float]:
        """Return the half-widths fitted on these rows."""
        return fit_half_widths(self.labels, self.scores, groups=self.groups.tolist(), task=task, coverage=coverage)


def calibrate_scores(
    development: pd.DataFrame,
    test: pd.DataFrame,
    *,
    task: Regression,
    groups: Mapping[str, str],
    grouped_by: str,
    coverage: float = COVERAGE,
) -> ScoreCalibration:
    """Return the calibration of a variant.

    Args:
        development: Development predictions of all folds and seeds
            (:data:`merflow.contracts.tables.SCORE_PREDICTIONS`).
        test: Their test predictions.
        task: The scale.
        groups: Group of each utterance; utterances of an unknown group are left out.
        grouped_by: Column that forms the groups; empty for none.
        coverage: Share of conformal intervals that should contain the truth.

    Raises:
        EvaluationError: A fold has no development predictions, ``coverage`` is not between 0 and 1, or crepes is not
            installed.
    """
    whole = _Rows.of(development, groups=groups)
    half_widths = whole.half_widths(task=task, coverage=coverage)
    return ScoreCalibration(
        task=task.name,
        low=task.low,
        high=task.high,
        coverage=coverage,
        grouped_by=grouped_by,
        half_widths=half_widths,
        utterances=utterance_counts(whole.utterance_ids, whole.groups),
        held_out=_held_out(development, test, task=task, groups=groups, coverage=coverage),
    )


def _held_out(
    development: pd.DataFrame, test: pd.DataFrame, *, task: Regression, groups: Mapping[str, str], coverage: float
) -> HeldOutIntervals:
    """Return the figures of the test rows, with each fold calibrated on its own development rows."""
    found = []
    for own, tested in by_fold(development, test):
        half_widths = _Rows.of(own, groups=groups).half_widths(task=task, coverage=coverage)
        rows = _Rows.of(tested, groups=groups)
        found.append((tested, intervals(rows.scores, groups=rows.groups.tolist(), half_widths=half_widths, task=task)))
    rows = _Rows.of(pd.concat([tested for tested, _ in found], ignore_index=True), groups=groups)
    of_rows = np.concatenate([each for _, each in found])

    def coverage_in(mask: np.ndarray) -> IntervalCoverage:
        names = rows.utterance_ids[mask].tolist()
        return coverage_of_intervals(rows.labels[mask], of_rows[mask], task=task, utterance_ids=names)

    return HeldOutIntervals(
        utterances=len(set(rows.utterance_ids)),
        mae=float(np.abs(rows.scores - rows.labels).mean()),
        groups={group: coverage_in(mask) for group, mask in group_masks(rows.groups).items()},
    )

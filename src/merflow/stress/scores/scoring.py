"""From scores to the results of the suite.

Shapes: U utterances, G dialogues, B resamples, P steps of the scale, K sums.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.scores import Interval
from merflow.contracts.stress_checks import ScoreConditionResult, ScoreGroupResult
from merflow.contracts.stress_results import ScoreStressResults
from merflow.contracts.task import Regression
from merflow.errors import StressError
from merflow.evaluation.scores.metrics import metrics_of, steps, sums_of
from merflow.evaluation.scores.spread import dialogue_sums
from merflow.evaluation.significance import FEWEST_DIALOGUES, paired_difference, resampled_sums, widened_interval
from merflow.stress.conditions.condition import Condition
from merflow.stress.grouping import groupings
from merflow.stress.scores.thresholds import SAME_WITHIN, RandomScores, chance_drop, chance_gap, spread_of_errors
from merflow.stress.scoring import RESAMPLES, ROUNDING, WHOLE_SHARE
from merflow.stress.thresholds import chance_unchanged

# Gaps of MAE below this share of the scale's width do not count as findings, however many utterances show them.
ALLOWED_GAP = 0.02
# The MAE of fewer utterances says nothing about a group. If every video counts as a speaker, most groups have fewer.
FEWEST_OF_GROUP = 10


@dataclass(frozen=True, eq=False)
class ScoreReference:
    """The utterances of the suite with the scores of the unchanged inputs.

    Attributes:
        rows: The task's column, dialogue_id, session, speaker, gender and duration_s of U utterances, indexed by
            utterance id.
        scores: ``(U,)`` predicted score.
        task: The scale.
        seed: Seed of resamples and simulations.

    Raises:
        StressError: All utterances have the same score, so that CCC is undefined.
    """

    rows: pd.DataFrame
    scores: np.ndarray
    task: Regression
    seed: int

    def __post_init__(self) -> None:
        """Check that the true scores vary."""
        if np.ptp(self.labels) == 0:
            raise StressError(
                f"all {len(self.rows)} utterances have the {self.task.name} {self.labels[0]:g}, so that CCC is "
                "undefined; draw more with --utterances"
            )

    @property
    def labels(self) -> np.ndarray:
        """``(U,)`` true score."""
        return np.asarray(self.rows[self.task.column], dtype=np.float64)

    @cached_property
    def dialogues(self) -> np.ndarray:
        """``(U,)`` index of the dialogue."""
        return np.asarray(pd.factorize(self.rows["dialogue_id"], sort=True)[0])

    @cached_property
    def random(self) -> RandomScores:
        """The random model with the same linear fit and errors."""
        return RandomScores.like(self.labels, self.scores)

    @property
    def figures(self) -> tuple[float, float]:
        """CCC and MAE for the unchanged inputs."""
        total = self.sums(self.scores).sum(axis=0)
        metrics = metrics_of(self.task)
        return float(metrics["CCC"](total)), float(metrics["MAE"](total))

    def sums(self, scores: np.ndarray) -> np.ndarray:
        """Return the sums per dialogue ``(G, K)`` from which the figures are computed."""
        terms = sums_of(self.labels, scores, self.task)
        return dialogue_sums(terms, self.dialogues, groups=int(self.dialogues.max()) + 1)


def score_results(
    rows: pd.DataFrame,
    unchanged: np.ndarray,
    tested: Sequence[tuple[Condition, np.ndarray]],
    *,
    task: Regression,
    seed: int,
    facts: Mapping[str, Any],
) -> ScoreStressResults:
    """Compute the results of a score model.

    Args:
        rows: The utterances; see :class:`ScoreReference`.
        unchanged: Scores ``(U, 1)`` of the unchanged inputs.
        tested: Conditions with the scores under them.
        task: The scale.
        seed: Seed of resamples and simulations.
        facts: Facts that the results have for every task.

    Raises:
        StressError: All utterances have the same score.
    """
    reference = ScoreReference(rows, unchanged[:, 0].astype(np.float64), task=task, seed=seed)
    ccc, mae = reference.figures
    return ScoreStressResults(
        **facts,
        task=task.name,
        low=task.low,
        high=task.high,
        ccc=ccc,
        mae=mae,
        conditions=tuple(score_condition(each, reference, values[:, 0].astype(np.float64)) for each, values in tested),
        groups=tuple(score_groups(reference)),
    )


def score_condition(condition: Condition, reference: ScoreReference, scores: np.ndarray) -> ScoreConditionResult:
    """Compare the scores ``(U,)`` under a condition with those of the unchanged inputs."""
    sums = np.stack([reference.sums(scores), reference.sums(reference.scores)])  # (2, G, K)
    groups = sums.shape[1]
    drawn = resampled_sums(sums, samples=RESAMPLES, seed=reference.seed)  # (2, B, K)
    metrics = metrics_of(reference.task)
    ccc, mae = (metrics[name](sums.sum(axis=1)).tolist() for name in ("CCC", "MAE"))
    ccc_ci95, mae_ci95 = (_paired(metrics[name](drawn), groups=groups) for name in ("CCC", "MAE"))
    moved = scores - reference.scores
    unchanged = float(np.mean(np.abs(moved) <= SAME_WITHIN + ROUNDING))
    chance = chance_drop(reference.random, min_unchanged=condition.min_unchanged, seed=reference.seed)
    allowed_drop = condition.allowed_drop + chance
    min_unchanged = chance_unchanged(condition.min_unchanged, utterances=len(scores), seed=reference.seed)
    low, middle, high = np.percentile(moved, [25, 50, 75]).tolist()
    return ScoreConditionResult(
        name=condition.name,
        family=condition.family,
        description=condition.description,
        utterances=len(scores),
        ci95=ccc_ci95,
        unchanged=unchanged,
        allowed_drop=allowed_drop,
        min_unchanged=min_unchanged,
        passed=ccc[1] - ccc[0] <= allowed_drop + ROUNDING and unchanged >= min_unchanged - ROUNDING,
        ccc=ccc[0],
        delta_ccc=ccc[0] - ccc[1],
        mae=mae[0],
        delta_mae=mae[0] - mae[1],
        mae_ci95=mae_ci95,
        shift=float(moved.mean()),
        shift_quartiles=(low, middle, high),
    )


def score_groups(reference: ScoreReference) -> list[ScoreGroupResult]:
    """Compare the MAE of every group with that of all others at the same steps of the true score, without any change.

    A group with fewer than :data:`FEWEST_OF_GROUP` utterances is not compared itself. It is part of the others, as are
    utterances whose group is unknown.
    """
    by_step = _ByStep.of(reference)
    results = []
    for by, masks in groupings(reference.rows).items():
        large = {name: mask for name, mask in masks.items() if mask.sum() >= FEWEST_OF_GROUP}
        if len(masks) > 1:
            results += [by_step.compared(by, name, mask, groups=len(large)) for name, mask in large.items()]
    return results


@dataclass(frozen=True, eq=False)
class _ByStep:
    """Absolute errors by step of the true score.

    Attributes:
        reference: The utterances.
        errors: ``(U,)`` absolute errors.
        of_step: ``(U, P)`` 1 at the step of the utterance's true score, among those that occur.
        spread: Deviations of the errors from the mean of their step, to draw from.
    """

    reference: ScoreReference
    errors: np.ndarray
    of_step: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, reference: ScoreReference) -> "_ByStep":
        _, step = np.unique(steps(reference.labels, reference.task), return_inverse=True)
        return cls(
            reference,
            np.abs(reference.scores - reference.labels),
            np.eye(int(step.max()) + 1)[step],
            spread_of_errors(reference.labels, reference.scores, task=reference.task),
        )

    def compared(self, by: str, name: str, mask: np.ndarray, *, groups: int) -> ScoreGroupResult:
        """Return the result of one group, a mask ``(U,)``."""
        reference = self.reference
        sums = np.stack([self._sums(rows) for rows in (mask, ~mask)])  # (2, G, 2 P)
        counts = np.split(sums.sum(axis=1), 2, axis=1)[0]  # (2, P)
        shared = np.asarray((counts > 0).all(axis=0))
        delta, chance = None, 0.0
        if shared.any():
            delta = float(_gap(sums.sum(axis=1), shared))
            in_group, elsewhere = counts[:, shared].astype(np.int64)
            chance = chance_gap(self.spread, in_group, elsewhere, groups=groups, seed=reference.seed)
        allowed = max(ALLOWED_GAP * (reference.task.high - reference.task.low), chance)
        return ScoreGroupResult(
            by=by,
            group=name,
            utterances=int(mask.sum()),
            ci95=_gap_interval(sums, shared, seed=reference.seed) if shared.any() else None,
            allowed_gap=allowed,
            passed=delta is None or delta <= allowed + ROUNDING,
            mae=float(self.errors[mask].mean()),
            delta_mae=delta,
        )

    def _sums(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of utterances and summed errors in a mask, per dialogue and step, ``(G, 2 P)``."""
        terms = np.concatenate([self.of_step, self.of_step * self.errors[:, None]], axis=1) * rows[:, None]
        return dialogue_sums(terms, self.reference.dialogues, groups=int(self.reference.dialogues.max()) + 1)


def _gap(sums: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return the MAE of the group minus that of the others at the same steps ``(...)``.

    Args:
        sums: ``(2, ..., 2 P)``, of the group and of the others: utterances and summed errors per step.
        shared: ``(P,)`` bool, the steps that both have.
    """
    (counts, others), (errors, other_errors) = (each[..., shared] for each in np.split(sums, 2, axis=-1))
    return np.asarray((errors.sum(axis=-1) - (counts * other_errors / others).sum(axis=-1)) / counts.sum(axis=-1))


def _gap_interval(sums: np.ndarray, shared: np.ndarray, *, seed: int) -> Interval | None:
    counts = np.split(sums, 2, axis=-1)[0]
    dialogues = min(int((each.sum(axis=1) > 0).sum()) for each in counts)
    if dialogues < FEWEST_DIALOGUES:
        return None
    drawn = resampled_sums(sums, samples=RESAMPLES, seed=seed)  # (2, B, 2 P)
    whole = (np.split(drawn, 2, axis=-1)[0][..., shared] > 0).all(axis=(0, 2))
    return widened_interval(_gap(drawn[:, whole], shared), groups=dialogues) if whole.mean() >= WHOLE_SHARE else None


def _paired(drawn: np.ndarray, *, groups: int) -> Interval | None:
    """Return the paired interval of figures ``(2, B)``; None if a resample lacks the figure."""
    return paired_difference(*drawn, groups=groups).interval if np.isfinite(drawn).all() else None

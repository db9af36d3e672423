"""From predictions to the results of the suite.

Shapes: U utterances, G dialogues, B resamples, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.scores import Interval
from merflow.contracts.stress_checks import ConditionResult, GroupResult
from merflow.contracts.stress_results import StressResults
from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.evaluation.significance import (
    FEWEST_DIALOGUES,
    dialogue_counts,
    paired_difference,
    resampled_counts,
    widened_interval,
)
from merflow.stress.conditions.condition import Condition
from merflow.stress.grouping import groupings
from merflow.stress.thresholds import RandomModel, chance_drop, chance_gap, chance_unchanged

RESAMPLES = 2000
# Gaps below this do not count as findings, however many utterances show them: groups of one corpus differ in what they
# act.
ALLOWED_GAP = 0.05
# An interval needs at least this share of resamples in which group and others have all their classes.
WHOLE_SHARE = 0.5
# Figures are sums of floats; a drop that equals its limit passes.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Reference:
    """The utterances of the suite with the predictions of the unchanged inputs.

    Attributes:
        rows: emotion, dialogue_id, session, speaker, gender and duration_s of U utterances, indexed by utterance id.
        predicted: ``(U,)`` predicted class.
        classes: Emotion classes.
        seed: Seed of resamples and simulations.
    """

    rows: pd.DataFrame
    predicted: np.ndarray
    classes: tuple[str, ...]
    seed: int

    @property
    def labels(self) -> np.ndarray:
        """``(U,)`` true class."""
        return np.array([self.classes.index(emotion) for emotion in self.rows["emotion"]], dtype=np.int64)

    @property
    def ua(self) -> float:
        """UA for the unchanged inputs."""
        return float(unweighted_accuracy_of(self.counts(self.predicted).sum(axis=0)))

    @property
    def random(self) -> RandomModel:
        """The random model with the same recalls."""
        return RandomModel.like(self.labels, self.predicted, classes=len(self.classes))

    def counts(self, predicted: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the confusion counts of every dialogue ``(G, C, C)``, for all utterances or those in a mask."""
        classes = len(self.classes)
        dialogues, _ = pd.factorize(self.rows["dialogue_id"], sort=True)
        taken = np.ones(len(predicted), dtype=bool) if rows is None else rows
        cells = self.labels * classes + predicted
        return dialogue_counts(cells[taken], dialogues[taken], groups=int(dialogues.max()) + 1, classes=classes)


def emotion_results(
    rows: pd.DataFrame,
    unchanged: np.ndarray,
    tested: Sequence[tuple[Condition, np.ndarray]],
    *,
    classes: tuple[str, ...],
    seed: int,
    facts: Mapping[str, Any],
) -> StressResults:
    """Compute the results of an emotion model.

    Args:
        rows: The utterances; see :class:`Reference`.
        unchanged: Probabilities ``(U, C)`` of the unchanged inputs.
        tested: Conditions with the probabilities under them.
        classes: Emotion classes.
        seed: Seed of resamples and simulations.
        facts: Facts that the results have for every task.
    """
    reference = Reference(rows, unchanged.argmax(axis=1), classes=classes, seed=seed)
    return StressResults(
        **facts,
        classes=classes,
        ua=reference.ua,
        conditions=tuple(condition_result(each, reference, values.argmax(axis=1)) for each, values in tested),
        groups=tuple(group_results(reference)),
    )


def condition_result(condition: Condition, reference: Reference, predicted: np.ndarray) -> ConditionResult:
    """Compare the predictions ``(U,)`` under a condition with those of the unchanged inputs."""
    counts = np.stack([reference.counts(predicted), reference.counts(reference.predicted)])  # (2, G, C, C)
    ua, before = unweighted_accuracy_of(counts.sum(axis=1)).tolist()
    resampled = unweighted_accuracy_of(resampled_counts(counts, samples=RESAMPLES, seed=reference.seed))
    unchanged = float(np.mean(predicted == reference.predicted))
    chance = chance_drop(reference.random, min_unchanged=condition.min_unchanged, seed=reference.seed)
    allowed_drop = condition.allowed_drop + chance
    min_unchanged = chance_unchanged(condition.min_unchanged, utterances=len(predicted), seed=reference.seed)
    return ConditionResult(
        name=condition.name,
        family=condition.family,
        description=condition.description,
        utterances=len(predicted),
        ua=ua,
        delta_ua=ua - before,
        ci95=paired_difference(*resampled, groups=counts.shape[1]).interval,
        unchanged=unchanged,
        allowed_drop=allowed_drop,
        min_unchanged=min_unchanged,
        passed=before - ua <= allowed_drop + ROUNDING and unchanged >= min_unchanged - ROUNDING,
    )


def group_results(reference: Reference) -> list[GroupResult]:
    """Compare every group of utterances with all others, without any change.

    Utterances whose group is unknown are part of the others.
    """
    return [
        _group(by, name, mask, reference, groups=len(masks))
        for by, masks in groupings(reference.rows).items()
        if len(masks) > 1
        for name, mask in masks.items()
    ]


def _group(by: str, name: str, mask: np.ndarray, reference: Reference, *, groups: int) -> GroupResult:
    counts = np.stack([reference.counts(reference.predicted, rows) for rows in (mask, ~mask)])  # (2, G, C, C)
    per_class = counts.sum(axis=(1, 3))  # (2, C)
    shared = (per_class > 0).all(axis=0)
    delta = _gap(counts.sum(axis=1), shared) if shared.any() else None
    chance = chance_gap(reference.random, *per_class, groups=groups, seed=reference.seed) if shared.any() else 0.0
    allowed = max(ALLOWED_GAP, chance)
    return GroupResult(
        by=by,
        group=name,
        utterances=int(mask.sum()),
        ua=float(unweighted_accuracy_of(counts[0].sum(axis=0))) if mask.any() else None,
        delta_ua=None if delta is None else float(delta),
        ci95=_gap_interval(counts, shared, seed=reference.seed) if shared.any() else None,
        allowed_gap=allowed,
        passed=delta is None or float(delta) >= -allowed - ROUNDING,
    )


def _gap(counts: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return UA of the group minus UA of the others ``(...)``, over the classes that both have.

    Args:
        counts: ``(2, ..., C, C)``, of the group and of the others.
        shared: ``(C,)`` bool, the classes that both have.
    """
    group, others = unweighted_accuracy_of(counts[..., shared, :][..., _columns(shared)])
    return np.asarray(group - others)


def _columns(shared: np.ndarray) -> np.ndarray:
    """Return the order of columns that puts the shared classes on the diagonal."""
    return np.concatenate([np.flatnonzero(shared), np.flatnonzero(~shared)])


def _gap_interval(counts: np.ndarray, shared: np.ndarray, *, seed: int) -> Interval | None:
    dialogues = min(int((each.sum(axis=(1, 2)) > 0).sum()) for each in counts)
    if dialogues < FEWEST_DIALOGUES:
        return None
    resampled = resampled_counts(counts, samples=RESAMPLES, seed=seed)  # (2, B, C, C)
    whole = (resampled.sum(axis=-1)[..., shared] > 0).all(axis=(0, 2))
    if whole.mean() < WHOLE_SHARE:
        return None
    return widened_interval(_gap(resampled[:, whole], shared), groups=dialogues)

"""MAE as the gate's figure for scores, in units of the scale.

MAE also ranks models in the reports. It is a mean over utterances, so it exists in every group and its jackknife is
exact. CCC is not meaningful in a group whose true scores hardly vary, such as a third of the scale, and a model with
little spread can gain CCC by spreading its errors.

Shapes: K models, G dialogues, n tests.
"""

from dataclasses import dataclass, replace

import numpy as np

from merflow.contracts.gate_decision import Check, Unit
from merflow.contracts.gate_policy import AccuracyPolicy, Grouping, GroupPolicy
from merflow.contracts.numerals import decimal, plural, signed_decimal, signed_decimal_interval
from merflow.contracts.scores import Interval
from merflow.contracts.task import Regression
from merflow.evaluation.scores.comparisons import mae_over_seeds
from merflow.evaluation.scores.predictions import HeldOutScores, ScorePredictions, score_variants
from merflow.evaluation.scores.spread import dialogue_sums
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate.evidence import Evidence, held_out_of, only_variant
from merflow.promotion.gate.interval import FEW, Spread, confidence, jackknife

_NAME = "better than a constant"
_THIRDS = np.array(["low", "middle", "high"], dtype=object)
_ROUNDING = 1e-9  # of labels at the end of a third


@dataclass(frozen=True)
class MeanAbsoluteError:
    """MAE on this scale; see :class:`merflow.promotion.gate.figures.Figure`. A gain is a lower MAE."""

    task: Regression
    unit: Unit = "scale"
    grouping: Grouping = "third"
    look_at: str = "errors"

    def tested(self, evidence: Evidence) -> ScorePredictions:
        """Return the checked test predictions of a package."""
        held_out = HeldOutScores.of(held_out_of(evidence), task=self.task)
        return only_variant(score_variants(evidence.predictions, held_out), evidence)

    def sums(self, variant: AlignedRows, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the errors and the number of tests of each dialogue that has such rows, ``(G, 2)``."""
        assert isinstance(variant, ScorePredictions)
        names, dialogues = np.unique(variant.dialogues[rows], return_inverse=True)
        errors = np.abs(variant.scores[rows] - variant.labels[rows])
        return dialogue_sums(np.stack([errors, np.ones_like(errors)], axis=1), dialogues, groups=len(names))

    def gain(self, sums: np.ndarray) -> float:
        """Return the MAE of the second model minus that of the first."""
        return float(np.subtract.reduce(_negative_mae(sums.sum(axis=1))))

    def spread(self, sums: np.ndarray, *, utterances: int) -> Spread | None:  # noqa: ARG002 - UA needs them
        """Return the spread of a gain; None for too few dialogues.

        Errors are not counts, so MAE does not change in steps of one utterance.
        """
        tests = sums[0, :, 1]
        return jackknife(sums, _negative_mae, shares=tests / tests.sum(), step=0.0)

    def label_groups(self, variant: AlignedRows) -> np.ndarray:
        """Return the third of the scale that each row's true score is in: ``low``, ``middle`` or ``high``."""
        return thirds(variant.labels, self.task)

    def above_floor(self, candidate: AlignedRows, *, policy: AccuracyPolicy) -> Check:
        """Return the check that MAE is clearly below that of the best constant, the median of the test labels."""
        assert isinstance(candidate, ScorePredictions)
        everything = np.full(len(candidate.labels), fill_value=True)
        constant = replace(candidate, scores=np.full(len(candidate.labels), np.median(candidate.labels)))
        sums = np.stack([self.sums(each, everything) for each in (candidate, constant)])
        gain, groups = self.gain(sums), sums.shape[1]
        mae, floor = (-float(_negative_mae(each.sum(axis=0))) for each in sums)
        limit = policy.below_constant * (self.task.high - self.task.low)
        spread = self.spread(sums, utterances=len(set(candidate.utterance_ids.tolist())))
        words = f"MAE is {decimal(mae)}, and {decimal(floor)} for the median of the labels,"
        if spread is None or groups < policy.min_dialogues:
            sentence = f"{words} on {plural(groups, 'dialogue')}, too few for a reliable interval."
            return Check(
                name=_NAME, passed=False, measured=gain, limit=limit, unit=self.unit, sentence=sentence, remedy=FEW
            )
        bounds = spread.interval(gain, tail=policy.level)
        passed = bounds[0] > limit
        return Check(
            name=_NAME,
            passed=passed,
            measured=gain,
            limit=limit,
            interval=bounds,
            unit=self.unit,
            sentence=f"{words} an improvement of {signed_decimal(gain)} ({confidence(policy.level)} interval "
            f"{signed_decimal_interval(bounds)}); the lower bound must be above {signed_decimal(limit)}.",
            remedy="" if passed else "Train a better model, or test on more dialogues",
        )

    def over_seeds(self, candidate: AlignedRows, champion: AlignedRows) -> tuple[int, float, Interval] | None:
        """Return the number of seeds, the mean gain over them and its interval; None for one seed."""
        assert isinstance(candidate, ScorePredictions)
        assert isinstance(champion, ScorePredictions)
        over = mae_over_seeds(champion, candidate, task=self.task)
        return None if over is None else (len(over.each), over.mean, over.ci95)

    def margin(self, policy: AccuracyPolicy | GroupPolicy) -> float:
        """Return the allowed increase of MAE, in units of the scale."""
        return policy.margin_mae * (self.task.high - self.task.low)

    def compared(self, gain: float, *, group: str = "") -> str:  # noqa: ARG002 - MAE has one name in all groups
        """Return the gain in words."""
        return f"The gain in MAE over the champion is {signed_decimal(gain)}"

    def amount(self, size: float) -> str:
        """Return a size in words without a sign."""
        return f"{decimal(size)} in MAE"

    def signed(self, gain: float) -> str:
        """Return a gain with its sign."""
        return signed_decimal(gain)

    def signed_interval(self, ends: Interval) -> str:
        """Return the interval of a gain."""
        return signed_decimal_interval(ends)


def thirds(labels: np.ndarray, task: Regression) -> np.ndarray:
    """Return the third of the scale that each label ``(n,)`` is in: ``low``, ``middle`` or ``high``.

    Both ends of the middle third belong to it. Sentiments of -1 and 1 are frequent, and must not differ in this.
    """
    distance = labels - task.middle
    beyond = np.abs(distance) > (task.high - task.low) / 6 + _ROUNDING
    return np.asarray(_THIRDS[1 + np.sign(distance).astype(np.int64) * beyond])


def _negative_mae(sums: np.ndarray) -> np.ndarray:
    """Return minus the MAE of sums ``(..., 2)``, so that more is better."""
    return np.asarray(-sums[..., 0] / sums[..., 1])

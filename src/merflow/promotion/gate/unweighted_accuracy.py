"""UA as the gate's figure for emotions; every class counts equally, whatever its size.

Shapes: K models, G dialogues, n tests, C classes.
"""

from dataclasses import dataclass

import numpy as np

from merflow.contracts.gate_decision import Check, Unit
from merflow.contracts.gate_policy import AccuracyPolicy, Grouping, GroupPolicy
from merflow.contracts.numerals import percent, plural, signed, signed_interval
from merflow.contracts.scores import Interval
from merflow.evaluation.comparisons import difference_over_seeds
from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.evaluation.predictions import HeldOut, VariantPredictions, variants_of
from merflow.evaluation.significance import dialogue_counts
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate.evidence import Evidence, held_out_of, only_variant
from merflow.promotion.gate.interval import FEW, Spread, confidence, spread_of_ua


@dataclass(frozen=True)
class UnweightedAccuracy:
    """UA of these classes; see :class:`merflow.promotion.gate.figures.Figure`."""

    classes: tuple[str, ...]
    unit: Unit = "points"
    grouping: Grouping = "emotion"
    look_at: str = "confusion matrix"

    def tested(self, evidence: Evidence) -> VariantPredictions:
        """Return the checked test predictions of a package."""
        held_out = HeldOut.of(held_out_of(evidence), classes=self.classes)
        return only_variant(variants_of(evidence.predictions, held_out), evidence)

    def sums(self, variant: AlignedRows, rows: np.ndarray) -> np.ndarray:
        """Return the confusion counts of each dialogue that has such rows, ``(G, C, C)``; all seeds together."""
        assert isinstance(variant, VariantPredictions)
        names, dialogues = np.unique(variant.dialogues[rows], return_inverse=True)
        cells = variant.labels[rows] * len(self.classes) + variant.predicted[rows]
        return dialogue_counts(cells, dialogues, groups=len(names), classes=len(self.classes))

    def gain(self, sums: np.ndarray) -> float:
        """Return the UA of the first model minus that of the second."""
        return float(np.subtract.reduce(unweighted_accuracy_of(sums.sum(axis=1))))

    def spread(self, sums: np.ndarray, *, utterances: int) -> Spread | None:
        """Return the spread of a gain; None if there are too few dialogues or classes are too rare."""
        return spread_of_ua(sums, utterances=utterances)

    def label_groups(self, variant: AlignedRows) -> np.ndarray:
        """Return the emotion of each row."""
        return np.asarray(np.array(self.classes, dtype=object)[variant.labels])

    def above_floor(self, candidate: AlignedRows, *, policy: AccuracyPolicy) -> Check:
        """Return the check that UA is clearly above that of a constant guess."""
        counts = self.sums(candidate, np.full(len(candidate.labels), fill_value=True))
        pooled, groups = counts.sum(axis=0), len(counts)
        ua, chance = float(unweighted_accuracy_of(pooled)), 1 / int((pooled.sum(axis=1) > 0).sum())
        limit = chance + policy.above_chance
        spread = spread_of_ua(counts[None], utterances=len(set(candidate.utterance_ids.tolist())))
        if spread is None or groups < policy.min_dialogues:
            words = f"UA is {percent(ua)}% on {plural(groups, 'dialogue')}, too few for a reliable interval."
            return Check(
                name="above chance", passed=False, measured=ua, limit=limit, unit="share", sentence=words, remedy=FEW
            )
        bounds = spread.interval(ua, tail=policy.level)
        passed = bounds[0] > limit
        return Check(
            name="above chance",
            passed=passed,
            measured=ua,
            limit=limit,
            interval=bounds,
            unit="share",
            sentence=f"UA is {percent(ua)}% ({confidence(policy.level)} interval {percent(bounds[0])} to "
            f"{percent(bounds[1])}%); the lower bound must be above {percent(limit)}%, and a constant guess has "
            f"{percent(chance)}%.",
            remedy="" if passed else "Train a better model, or test on more dialogues",
        )

    def over_seeds(self, candidate: AlignedRows, champion: AlignedRows) -> tuple[int, float, Interval] | None:
        """Return the number of seeds, the mean gain over them and its interval; None for one seed."""
        assert isinstance(candidate, VariantPredictions)
        assert isinstance(champion, VariantPredictions)
        over = difference_over_seeds(candidate, champion, classes=len(self.classes))
        return None if over is None else (len(over.each), over.mean, over.ci95)

    def margin(self, policy: AccuracyPolicy | GroupPolicy) -> float:
        """Return the allowed drop of UA."""
        return policy.margin

    def compared(self, gain: float, *, group: str = "") -> str:
        """Return the gain in words."""
        figure = "Recall" if group.startswith(f"{self.grouping} ") else "UA"
        return f"{figure} is {signed(gain)} points against the champion"

    def amount(self, size: float) -> str:
        """Return a size in words without a sign."""
        return f"{percent(size)} points"

    def signed(self, gain: float) -> str:
        """Return a gain with its sign."""
        return signed(gain)

    def signed_interval(self, ends: Interval) -> str:
        """Return the interval of a gain."""
        return signed_interval(ends)

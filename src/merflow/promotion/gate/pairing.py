"""Two packages on the same test utterances, and the difference of their UA.

Each dialogue counts with its predictions of all seeds, so that several seeds of one utterance never count as several
utterances; the two packages may have been trained with different seeds.

Shapes: n tests, G dialogues, C classes.
"""

from dataclasses import dataclass

import numpy as np

from merflow.contracts.scores import Interval
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.evaluation.predictions import HeldOut, VariantPredictions, variants_of
from merflow.evaluation.significance import dialogue_counts
from merflow.promotion.gate.evidence import Evidence
from merflow.promotion.gate.interval import spread_of


@dataclass(frozen=True)
class Difference:
    """UA of the candidate minus UA of the champion.

    Attributes:
        delta: The difference on the test utterances.
        interval: Interval with the asked-for tails; None for too few dialogues or too rare classes.
        standard_error: Standard error of the difference; None where there is no interval.
        dialogues: Number of dialogues.
        utterances: Number of utterances; each counts once, whatever the seeds.
    """

    delta: float
    interval: Interval | None
    standard_error: float | None
    dialogues: int
    utterances: int


def tested(evidence: Evidence) -> VariantPredictions:
    """Return the checked test predictions of a package.

    Raises:
        EvaluationError: The table is incomplete or malformed, or holds several variants.
    """
    package = evidence.package
    held_out = HeldOut(
        corpus=package.lineage.corpus,
        manifest_hash=package.lineage.manifest_hash,
        split_id=package.lineage.split_id,
        protocol=package.protocol,
        classes=package.classes,
        utterances=evidence.utterances,
    )
    variants = variants_of(evidence.predictions, held_out)
    if list(variants) != [package.variant]:
        raise EvaluationError(
            f"the package of {package.variant} holds predictions of {', '.join(variants)}; register the model again"
        )
    return variants[package.variant]


def counts_by_dialogue(variant: VariantPredictions, rows: np.ndarray, *, classes: int) -> np.ndarray:
    """Count the confusion matrix of each dialogue that has such rows, ``(G, C, C)``; all seeds together."""
    names, dialogues = np.unique(variant.dialogues[rows], return_inverse=True)
    cells = variant.labels[rows] * classes + variant.predicted[rows]
    return dialogue_counts(cells, dialogues, groups=len(names), classes=classes)


def difference(counts: np.ndarray, *, utterances: int, tail: float) -> Difference:
    """Compute the difference of UA with its interval.

    Args:
        counts: ``(2, G, C, C)`` per dialogue, candidate first.
        utterances: Number of utterances behind them.
        tail: Probability that the true difference lies below the interval, and that it lies above.
    """
    delta = float(np.subtract.reduce(unweighted_accuracy_of(counts.sum(axis=1))))
    spread = spread_of(counts, utterances=utterances)
    return Difference(
        delta=delta,
        interval=None if spread is None else spread.interval(delta, tail=tail),
        standard_error=None if spread is None else spread.standard_error,
        dialogues=counts.shape[1],
        utterances=utterances,
    )


def paired_difference_of(
    candidate: VariantPredictions,
    champion: VariantPredictions,
    rows: tuple[np.ndarray, np.ndarray],
    *,
    classes: int,
    tail: float,
) -> Difference:
    """Compute the difference on some rows of both packages, which belong to the same utterances."""
    counts = [
        counts_by_dialogue(variant, mask, classes=classes)
        for variant, mask in zip((candidate, champion), rows, strict=True)
    ]
    utterances = len(set(candidate.utterance_ids[rows[0]].tolist()))
    return difference(np.stack(counts), utterances=utterances, tail=tail)


def same_tests(candidate: VariantPredictions, champion: VariantPredictions) -> str:
    """Return the first difference between the tests of two packages in words; empty if they are the same."""
    sides = [_tests(candidate), _tests(champion)]
    names = [set(side) for side in sides]
    if names[0] != names[1]:
        alone = [names[0] - names[1], names[1] - names[0]]
        example = sorted(alone[0] or alone[1])[0]
        return (
            f"{len(alone[0])} utterances were tested by the candidate only and {len(alone[1])} by the champion only, "
            f"such as {example}"
        )
    differing = sorted(name for name in names[0] if sides[0][name] != sides[1][name])
    return f"{len(differing)} utterances have another label or fold, such as {differing[0]}" if differing else ""


def _tests(variant: VariantPredictions) -> dict[str, tuple[int, int, int]]:
    """Return the fold, label and dialogue of each utterance."""
    facts = zip(variant.folds.tolist(), variant.labels.tolist(), variant.dialogues.tolist(), strict=True)
    return dict(zip(map(str, variant.utterance_ids), facts, strict=True))

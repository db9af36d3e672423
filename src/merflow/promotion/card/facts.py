"""The numbers on a model card, computed from the evidence in a package."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merflow.contracts.calibration_record import Calibration
from merflow.contracts.numerals import interval, percent
from merflow.contracts.scores import Group, ReliabilityBin
from merflow.evaluation.breakdowns import group_figures
from merflow.evaluation.calibration import reliability
from merflow.evaluation.metrics import (
    confusion_matrix,
    macro_f1,
    unweighted_accuracy_of,
    weighted_accuracy_of,
    weighted_f1,
)
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.spread import accuracy, resample
from merflow.evaluation.temperature import scaled
from merflow.promotion.gate.evidence import Evidence
from merflow.promotion.gate.unweighted_accuracy import UnweightedAccuracy

# As in the reports, so that a card and the report of its benchmark show the same intervals.
SAMPLES, SEED = 2000, 0
_BINS = 10


@dataclass(frozen=True)
class Score:
    """One figure of the test predictions.

    Attributes:
        name: Its name.
        value: The figure as text.
        interval: Its 95% interval as text.
        note: A short explanation.
        floor: The figure of the best constant prediction as text; empty if the card shows it elsewhere.
    """

    name: str
    value: str
    interval: str
    note: str
    floor: str = ""


@dataclass(frozen=True)
class Measured:
    """The figures of an emotion model's package.

    Attributes:
        scores: Figures of all test predictions together.
        chance: UA of a constant guess.
        utterances: Number of tested utterances.
        dialogues: Number of their dialogues.
        folds: Number of folds.
        seeds: Number of training seeds.
        groups: Kind of group -> its groups.
        confusion: ``(C, C)`` counts, true class in rows.
        reliability: Bins of the models' own probabilities.
        reliability_scaled: Bins of the probabilities after scaling with the package's temperature; empty without it.
    """

    scores: tuple[Score, ...]
    chance: float
    utterances: int
    dialogues: int
    folds: int
    seeds: int
    groups: Mapping[str, tuple[Group, ...]]
    confusion: np.ndarray
    reliability: tuple[ReliabilityBin, ...]
    reliability_scaled: tuple[ReliabilityBin, ...]


def measured(evidence: Evidence) -> Measured:
    """Compute the figures of a package.

    Raises:
        EvaluationError: Its predictions are incomplete or malformed.
    """
    variant, classes = UnweightedAccuracy(evidence.package.classes).tested(evidence), len(evidence.package.classes)
    calibration = evidence.calibration
    temperature = calibration.temperature if isinstance(calibration, Calibration) else None
    after = () if temperature is None else _reliability(variant, scaled(variant.probabilities, temperature))
    counts = confusion_matrix(variant.labels, variant.predicted, classes=classes)
    return Measured(
        scores=_scores(variant, classes=classes),
        chance=1 / int((counts.sum(axis=1) > 0).sum()),
        utterances=len(set(variant.utterance_ids.tolist())),
        dialogues=int(variant.dialogues.max()) + 1,
        folds=len(set(variant.folds.tolist())),
        seeds=len(set(variant.seeds.tolist())),
        groups=_groups(variant, evidence),
        confusion=counts,
        reliability=_reliability(variant, variant.probabilities),
        reliability_scaled=after,
    )


def _scores(variant: VariantPredictions, *, classes: int) -> tuple[Score, ...]:
    groups = int(variant.dialogues.max()) + 1
    resampled = resample({"": variant}, groups=groups, classes=classes, samples=SAMPLES, seed=SEED)[""]
    ua, wa = (
        accuracy(figure, variant, classes=classes, resampled=resampled, groups=groups)
        for figure in (unweighted_accuracy_of, weighted_accuracy_of)
    )
    f1 = [figure(variant.labels, variant.predicted, classes=classes) for figure in (macro_f1, weighted_f1)]
    return (
        Score("UA", percent(ua.pooled), interval(ua.ci95), "mean recall over the classes"),
        Score("WA", percent(wa.pooled), interval(wa.ci95), "share of correct predictions"),
        Score("Macro F1", percent(f1[0]), "", "mean F1 over the classes"),
        Score("Weighted F1", percent(f1[1]), "", "mean F1, weighted by class size"),
    )


def _groups(variant: VariantPredictions, evidence: Evidence) -> dict[str, tuple[Group, ...]]:
    facts = evidence.utterances.drop_duplicates("utterance_id").set_index("utterance_id")
    classes = evidence.package.classes
    labels = pd.Series(np.array(classes, dtype=object)[variant.labels], index=variant.utterance_ids)
    values = {"emotion": labels[~labels.index.duplicated()], **{name: facts[name] for name in _known(facts)}}
    return {
        kind: group_figures(variant, column, classes=len(classes), samples=SAMPLES, seed=SEED)
        for kind, column in values.items()
    }


def _known(facts: pd.DataFrame) -> list[str]:
    return [name for name in ("gender", "session", "speaker") if name in facts and facts[name].notna().any()]


def _reliability(variant: VariantPredictions, probabilities: np.ndarray) -> tuple[ReliabilityBin, ...]:
    return reliability(variant.labels, probabilities, bins=_BINS)

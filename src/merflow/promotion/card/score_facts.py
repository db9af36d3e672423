"""The numbers on a score model's card, computed from the evidence in a package."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from merflow.contracts.numerals import decimal, decimal_interval, interval, percent
from merflow.contracts.score_figures import CONVENTIONS, FigureName, ResidualBin, ScoreGroup, is_share
from merflow.contracts.scores import Interval
from merflow.contracts.task import Regression
from merflow.evaluation.scores.breakdowns import score_breakdowns
from merflow.evaluation.scores.distributions import residuals
from merflow.evaluation.scores.floors import floors
from merflow.evaluation.scores.predictions import ScorePredictions
from merflow.evaluation.scores.spread import measured as figures_of
from merflow.evaluation.scores.spread import resample_scores
from merflow.promotion.card.facts import SAMPLES, SEED, Score
from merflow.promotion.gate.evidence import Evidence
from merflow.promotion.gate.mean_absolute_error import MeanAbsoluteError

# A table of more speakers or sessions than this is of no use to a reader.
_MOST_GROUPS = 30
_NOTES: Mapping[str, str] = {
    "MAE": "mean absolute error, in units of the scale",
    "CCC": "concordance correlation: Pearson's, lowered where mean or spread differ from the truth's",
    "Pearson": "correlation with the truth",
    "ACC7": "share of utterances whose truth and score round to the same of seven steps",
}


@dataclass(frozen=True)
class MeasuredScores:
    """The figures of a score model's package.

    Attributes:
        scores: Figures of all test predictions together.
        utterances: Number of tested utterances.
        dialogues: Number of their dialogues.
        folds: Number of folds.
        seeds: Number of training seeds.
        groups: Kind of group -> its groups.
        residuals: Errors by step of the true score.
    """

    scores: tuple[Score, ...]
    utterances: int
    dialogues: int
    folds: int
    seeds: int
    groups: Mapping[str, tuple[ScoreGroup, ...]]
    residuals: tuple[ResidualBin, ...]


def measured_scores(evidence: Evidence, task: Regression) -> MeasuredScores:
    """Compute the figures of a package.

    Raises:
        EvaluationError: Its predictions are incomplete or malformed.
    """
    variant = MeanAbsoluteError(task).tested(evidence)
    dialogues = int(variant.dialogues.max()) + 1
    facts = evidence.utterances.drop_duplicates("utterance_id")
    by_kind = score_breakdowns({"": variant}, facts, task=task, samples=SAMPLES, seed=SEED)[""]
    return MeasuredScores(
        scores=_scores(variant, task, dialogues=dialogues),
        utterances=len(set(variant.utterance_ids.tolist())),
        dialogues=dialogues,
        folds=len(set(variant.folds.tolist())),
        seeds=len(set(variant.seeds.tolist())),
        groups={kind: groups for kind, groups in by_kind.items() if 0 < len(groups) <= _MOST_GROUPS},
        residuals=residuals(variant, task=task),
    )


def _scores(variant: ScorePredictions, task: Regression, *, dialogues: int) -> tuple[Score, ...]:
    resampled = resample_scores({"": variant}, task=task, groups=dialogues, samples=SAMPLES, seed=SEED)[""]
    constants = _constants(variant, task, dialogues=dialogues)
    return tuple(
        Score(
            name=name,
            value=_text(name, figure.pooled),
            interval="" if figure.ci95 is None else _interval(name, figure.ci95),
            note=_note(name),
            floor=_text(name, constants.get(name)),
        )
        for name, figure in figures_of(variant, task=task, groups=dialogues, resampled=resampled).items()
    )


def _constants(variant: ScorePredictions, task: Regression, *, dialogues: int) -> dict[FigureName, float | None]:
    """Return each figure of the best constant: the median for MAE, the most frequent class for shares.

    A package has no training labels, so the constant is chosen on the test labels; no other constant can be better.
    """
    labels = variant.labels[variant.seeds == variant.seeds.min()]
    known = {int(fold): labels for fold in np.unique(variant.folds)}
    found = floors(known, variant, task=task, groups=dialogues, samples=1, seed=SEED)
    majority = found["majority"].values if "majority" in found else {}
    return {**found["median"].values, **majority}


def _note(name: FigureName) -> str:
    figure, _, convention = name.partition(" ")
    if not convention:
        return _NOTES[name]
    words = next(words for key, words in CONVENTIONS.items() if key == convention)
    return f"{'share of correct classes' if figure == 'ACC2' else 'F1 weighted by class size'}: {words}"


def _text(name: FigureName, value: float | None) -> str:
    if value is None or not is_share(name):
        return decimal(value)
    return f"{percent(value)}%"


def _interval(name: FigureName, ends: Interval) -> str:
    return f"{interval(ends)}%" if is_share(name) else decimal_interval(ends)

"""Checks of UA: above a constant guess, and against the champion."""

import numpy as np
from scipy.special import ndtri

from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import AccuracyPolicy
from merflow.contracts.numerals import percent, plural, signed, signed_interval
from merflow.evaluation.comparisons import difference_over_seeds
from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.evaluation.power import POWER
from merflow.evaluation.predictions import VariantPredictions
from merflow.promotion.gate.interval import spread_of
from merflow.promotion.gate.pairing import Difference, counts_by_dialogue, paired_difference_of

_FEW = "Test on more dialogues"


def above_chance(candidate: VariantPredictions, *, classes: int, policy: AccuracyPolicy) -> Check:
    """Check that UA is clearly above that of a constant guess."""
    counts = counts_by_dialogue(candidate, np.full(len(candidate.labels), fill_value=True), classes=classes)
    pooled, groups = counts.sum(axis=0), len(counts)
    ua, chance = float(unweighted_accuracy_of(pooled)), 1 / int((pooled.sum(axis=1) > 0).sum())
    limit = chance + policy.above_chance
    spread = spread_of(counts[None], utterances=len(set(candidate.utterance_ids.tolist())))
    if spread is None or groups < policy.min_dialogues:
        words = f"UA is {percent(ua)}% on {plural(groups, 'dialogue')}, too few for an interval that can be believed."
        return Check(
            name="above chance", passed=False, measured=ua, limit=limit, unit="share", sentence=words, remedy=_FEW
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
        sentence=f"UA is {percent(ua)}% ({_confidence(policy.level)} interval {percent(bounds[0])} to "
        f"{percent(bounds[1])}%); the lower bound must be above {percent(limit)}%, and a constant guess has "
        f"{percent(chance)}%.",
        remedy="" if passed else "Train a better model, or test on more dialogues",
    )


def against_champion(
    candidate: VariantPredictions, champion: VariantPredictions, *, classes: int, policy: AccuracyPolicy
) -> Check:
    """Check that the candidate is superior or non-inferior to the champion, as the policy requires."""
    everything = tuple(np.full(len(variant.labels), fill_value=True) for variant in (candidate, champion))
    found = paired_difference_of(
        candidate, champion, (everything[0], everything[1]), classes=classes, tail=policy.level
    )
    limit = limit_of(policy)
    passed = promotes(found, policy=policy)
    if found.interval is None or found.dialogues < policy.min_dialogues:
        sentence = (
            f"UA is {signed(found.delta)} points against the champion on {plural(found.dialogues, 'dialogue')}; a "
            f"difference is believed from {policy.min_dialogues} dialogues on."
        )
        remedy = _FEW
    else:
        sentence = (
            f"UA is {signed(found.delta)} points against the champion ({_confidence(policy.level)} interval "
            f"{signed_interval(found.interval)}), on {plural(found.utterances, 'utterance')} in "
            f"{plural(found.dialogues, 'dialogue')}; {policy.require} means that the lower bound is above "
            f"{signed(limit)}.{_over_seeds(candidate, champion, classes=classes)}"
        )
        remedy = "" if passed else _remedy(found, policy=policy)
    return Check(
        name="accuracy",
        passed=passed,
        measured=found.delta,
        limit=limit,
        interval=found.interval,
        unit="points",
        sentence=sentence,
        remedy=remedy,
    )


def limit_of(policy: AccuracyPolicy) -> float:
    """Return the difference that the lower bound must exceed."""
    return 0.0 if policy.require == "superior" else -policy.margin


def promotes(found: Difference, *, policy: AccuracyPolicy) -> bool:
    """Return True if this difference of UA is enough; the rule whose error rates the policy states."""
    if found.interval is None or found.dialogues < policy.min_dialogues:
        return False
    return found.interval[0] > limit_of(policy)


def _remedy(found: Difference, *, policy: AccuracyPolicy) -> str:
    assert found.interval is not None
    assert found.standard_error is not None
    visible = found.delta - found.interval[0] + float(ndtri(POWER)) * found.standard_error
    words = f"Train a better model; this test data shows a true gain of {percent(visible)} points 4 times in 5"
    if policy.require == "superior" and found.interval[0] > -policy.margin:
        words += "; the candidate would pass accuracy.require: non-inferior"
    return words


def _over_seeds(candidate: VariantPredictions, champion: VariantPredictions, *, classes: int) -> str:
    """Return the difference over seeds in words; empty if there is one seed, or if the seeds differ."""
    if set(candidate.seeds.tolist()) != set(champion.seeds.tolist()):
        return ""
    over = difference_over_seeds(candidate, champion, classes=classes)
    if over is None:
        return ""
    return f" Over {len(over.each)} seeds it is {signed(over.mean)} ({signed_interval(over.ci95)})."


def _confidence(level: float) -> str:
    return f"{100 * (1 - 2 * level):.4g}%"

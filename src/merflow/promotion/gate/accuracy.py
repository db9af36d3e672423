"""The check of the candidate's figure against the champion's."""

import numpy as np
from scipy.special import ndtri

from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import AccuracyPolicy
from merflow.contracts.numerals import plural
from merflow.evaluation.power import POWER
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate.figures import Figure
from merflow.promotion.gate.interval import FEW, confidence
from merflow.promotion.gate.pairing import Difference, paired_difference_of


def against_champion(candidate: AlignedRows, champion: AlignedRows, *, figure: Figure, policy: AccuracyPolicy) -> Check:
    """Check that the candidate is superior or non-inferior to the champion, as the policy requires."""
    everything = tuple(np.full(len(variant.labels), fill_value=True) for variant in (candidate, champion))
    found = paired_difference_of(candidate, champion, (everything[0], everything[1]), figure=figure, tail=policy.level)
    limit = limit_of(policy, figure=figure)
    passed = promotes(found, figure=figure, policy=policy)
    if found.interval is None or found.dialogues < policy.min_dialogues:
        sentence = (
            f"{figure.compared(found.delta)} on {plural(found.dialogues, 'dialogue')}; the policy asks for at least "
            f"{policy.min_dialogues}."
        )
        remedy = FEW
    else:
        sentence = (
            f"{figure.compared(found.delta)} ({confidence(policy.level)} interval "
            f"{figure.signed_interval(found.interval)}), on {plural(found.utterances, 'utterance')} in "
            f"{plural(found.dialogues, 'dialogue')}; {policy.require} means that the lower bound is above "
            f"{figure.signed(limit)}.{_over_seeds(candidate, champion, figure=figure)}"
        )
        remedy = "" if passed else _remedy(found, figure=figure, policy=policy)
    return Check(
        name="accuracy",
        passed=passed,
        measured=found.delta,
        limit=limit,
        interval=found.interval,
        unit=figure.unit,
        sentence=sentence,
        remedy=remedy,
    )


def limit_of(policy: AccuracyPolicy, *, figure: Figure) -> float:
    """Return the difference that the lower bound must exceed."""
    return 0.0 if policy.require == "superior" else -figure.margin(policy)


def promotes(found: Difference, *, figure: Figure, policy: AccuracyPolicy) -> bool:
    """Return True if this difference is enough. The policy states the error rates of this rule."""
    if found.interval is None or found.dialogues < policy.min_dialogues:
        return False
    return found.interval[0] > limit_of(policy, figure=figure)


def _remedy(found: Difference, *, figure: Figure, policy: AccuracyPolicy) -> str:
    assert found.interval is not None
    assert found.standard_error is not None
    visible = found.delta - found.interval[0] + float(ndtri(POWER)) * found.standard_error
    words = f"Train a better model; this test data shows a true gain of {figure.amount(visible)} 4 times in 5"
    if policy.require == "superior" and found.interval[0] > -figure.margin(policy):
        words += "; the candidate would pass accuracy.require: non-inferior"
    return words


def _over_seeds(candidate: AlignedRows, champion: AlignedRows, *, figure: Figure) -> str:
    """Return the difference across seeds in words; empty if there is one seed, or if the seeds differ."""
    if set(candidate.seeds.tolist()) != set(champion.seeds.tolist()):
        return ""
    over = figure.over_seeds(candidate, champion)
    if over is None:
        return ""
    seeds, mean, ends = over
    return f" Over {seeds} seeds it is {figure.signed(mean)} ({figure.signed_interval(ends)})."

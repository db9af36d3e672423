"""Smallest UA differences that a test set can show.

A paired test at level alpha finds a true difference d with probability ``power`` where ``d = (z(1 - alpha / 2) +
z(power)) * SE`` and SE is the standard error of the difference. The bootstrap over dialogues gives the SE of the
variants that were tested. For a test set without results, the SE is derived from assumptions, which are stated next to
the figure.
"""

from collections.abc import Sequence
from statistics import median

from scipy.special import ndtri

from merflow.contracts.comparisons import ALPHA, Comparison, PairPower, PlannedPower, Power

POWER = 0.8

# The usual four classes of IEMOCAP: angry, happy with excited, neutral, sad; 5,531 utterances in 151 dialogues.
PLANNED_CLASSES = (1103, 1636, 1708, 1084)
PLANNED_DIALOGUES = 151
# Two variants worth comparing are mostly right on the same utterances. On this share, exactly one of them is right.
PLANNED_DISAGREEMENT = 0.2
# Correlation of these differences between two utterances of one dialogue.
PLANNED_CORRELATION = 0.02


def detectable(standard_error: float, *, alpha: float, power: float) -> float:
    """Return the true difference that a two-sided test at ``alpha`` finds with probability ``power``."""
    return float((ndtri(1 - alpha / 2) + ndtri(power)) * standard_error)


def planned_error(class_counts: Sequence[int], *, dialogues: int, disagreement: float, correlation: float) -> float:
    """Derive the standard error of a UA difference from assumptions.

    UA is a mean of C recalls, so its variance is that of one utterance over C squared, times the sum of ``1 / n_c``.
    Utterances of a dialogue are correlated, which multiplies the variance by ``1 + (m - 1) * correlation`` with m
    utterances per dialogue (Kish's design effect).

    Args:
        class_counts: Test utterances per class.
        dialogues: Number of dialogues that contain them.
        disagreement: Share of utterances on which exactly one of the two variants is right. It is the variance of one
            utterance's difference if the variants are about equally good.
        correlation: Correlation of the differences within a dialogue.
    """
    per_utterance = disagreement * sum(1 / count for count in class_counts) / len(class_counts) ** 2
    design = 1 + (sum(class_counts) / dialogues - 1) * correlation
    return float((per_utterance * design) ** 0.5)


def power_of(comparisons: Sequence[Comparison], *, utterances: int, dialogues: int) -> Power:
    """Compute the differences that this test set can show: per pair, for the median pair, and for all of IEMOCAP.

    ``detectable_ua`` is for one comparison at level alpha. ``detectable_ua_holm`` is for one among all pairs, at the
    level that Holm's adjustment requires for the smallest p-value.

    Args:
        comparisons: All pairs.
        utterances: Number of test utterances.
        dialogues: Number of test dialogues.
    """
    errors = {(row.a, row.b): row.standard_error for row in comparisons if row.standard_error is not None}
    typical = median(errors.values()) if errors else None
    strict = ALPHA / max(len(comparisons), 1)
    return Power(
        alpha=ALPHA,
        power=POWER,
        utterances=utterances,
        dialogues=dialogues,
        standard_error=typical,
        detectable_ua=None if typical is None else detectable(typical, alpha=ALPHA, power=POWER),
        detectable_ua_holm=None if typical is None else detectable(typical, alpha=strict, power=POWER),
        pairs=tuple(
            PairPower(a=a, b=b, standard_error=error, detectable_ua=detectable(error, alpha=ALPHA, power=POWER))
            for (a, b), error in errors.items()
        ),
        planned=_planned(),
    )


def _planned() -> PlannedPower:
    error = planned_error(
        PLANNED_CLASSES,
        dialogues=PLANNED_DIALOGUES,
        disagreement=PLANNED_DISAGREEMENT,
        correlation=PLANNED_CORRELATION,
    )
    return PlannedPower(
        utterances=sum(PLANNED_CLASSES),
        dialogues=PLANNED_DIALOGUES,
        class_counts=PLANNED_CLASSES,
        disagreement=PLANNED_DISAGREEMENT,
        correlation=PLANNED_CORRELATION,
        standard_error=error,
        detectable_ua=detectable(error, alpha=ALPHA, power=POWER),
    )

"""How large a difference of UA a test set can show at all.

A paired test at level alpha finds a true difference d with probability ``power`` where
``d = (z(1 - alpha / 2) + z(power)) * SE`` and SE is the standard error of the difference. The bootstrap over dialogues
gives the SE of the variants at hand. For a test set that nobody has tested on yet, SE follows from assumptions, which
stand beside the figure.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from scipy import stats

ALPHA, POWER = 0.05, 0.8

# The usual four classes of IEMOCAP: angry, happy with excited, neutral, sad; 5,531 utterances in 151 dialogues.
PLANNED_CLASSES = (1103, 1636, 1708, 1084)
PLANNED_DIALOGUES = 151
# Two variants worth comparing are right on mostly the same utterances: on so many exactly one of them is right.
PLANNED_DISAGREEMENT = 0.2
# Correlation of such differences between two utterances of one dialogue.
PLANNED_CORRELATION = 0.02


def detectable(standard_error: float, *, alpha: float, power: float) -> float:
    """The true difference that a two-sided test at ``alpha`` finds with probability ``power``."""
    return float((stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)) * standard_error)


def planned_error(class_counts: Sequence[int], *, dialogues: int, disagreement: float, correlation: float) -> float:
    """Standard error of a UA difference from assumptions.

    UA is a mean of C recalls, so that its variance is that of one utterance over C squared, times the sum of
    ``1 / n_c``. Utterances of a dialogue hang together, which multiplies it by ``1 + (m - 1) * correlation`` with m
    utterances a dialogue (Kish's design effect).

    Args:
        class_counts: Test utterances of each class.
        dialogues: That they are in.
        disagreement: Share of utterances on which exactly one of the two variants is right: the variance of one
            utterance's difference, where the variants are about equally good.
        correlation: Of the differences within a dialogue.
    """
    per_utterance = disagreement * sum(1 / count for count in class_counts) / len(class_counts) ** 2
    design = 1 + (sum(class_counts) / dialogues - 1) * correlation
    return float((per_utterance * design) ** 0.5)


def power_of(comparisons: Sequence[Mapping[str, Any]], *, utterances: int, dialogues: int) -> dict[str, Any]:
    """What this test set can show, by pair and for the typical one (the median), and what 5,531 utterances could.

    ``detectable_UA`` is of one comparison at level alpha; ``detectable_UA_holm`` of one among all pairs, at the level
    that Holm's adjustment asks of the smallest p-value. Both are null where no pair has a standard error.

    Args:
        comparisons: With a, b and standard_error.
        utterances: Of the test set.
        dialogues: Of the test set.
    """
    errors = {(row["a"], row["b"]): row["standard_error"] for row in comparisons if row["standard_error"] is not None}
    typical = median(errors.values()) if errors else None
    strict = ALPHA / max(len(comparisons), 1)
    planned = _planned()
    found = {
        "alpha": ALPHA,
        "power": POWER,
        "utterances": utterances,
        "dialogues": dialogues,
        "standard_error": typical,
        "detectable_UA": None if typical is None else detectable(typical, alpha=ALPHA, power=POWER),
        "detectable_UA_holm": None if typical is None else detectable(typical, alpha=strict, power=POWER),
        "pairs": [
            {
                "a": a,
                "b": b,
                "standard_error": error,
                "detectable_UA": detectable(error, alpha=ALPHA, power=POWER),
            }
            for (a, b), error in errors.items()
        ],
        "planned": planned,
    }
    return {**found, "note": _note(found)}


def _planned() -> dict[str, Any]:
    assumed = {"disagreement": PLANNED_DISAGREEMENT, "correlation": PLANNED_CORRELATION}
    error = planned_error(PLANNED_CLASSES, dialogues=PLANNED_DIALOGUES, **assumed)
    return {
        "utterances": sum(PLANNED_CLASSES),
        "dialogues": PLANNED_DIALOGUES,
        "class_counts": list(PLANNED_CLASSES),
        **assumed,
        "standard_error": error,
        "detectable_UA": detectable(error, alpha=ALPHA, power=POWER),
    }


def _note(found: Mapping[str, Any]) -> str:
    """One sentence for the reader of a report."""
    planned = found["planned"]
    whole = (
        f"{planned['utterances']:,} utterances in {planned['dialogues']} dialogues would show "
        f"{100 * planned['detectable_UA']:.1f} points four times in five, if exactly one of two variants is right on "
        f"{100 * planned['disagreement']:.0f} % of them"
    )
    if found["detectable_UA"] is None:
        return f"Nothing here tells how large a difference this test set can show; {whole}."
    return (
        f"With {found['utterances']:,} test utterances in {found['dialogues']} dialogues, a true UA difference of "
        f"{100 * found['detectable_UA']:.1f} points between a typical pair of these variants is found four times in "
        f"five, a smaller one less often; {whole}."
    )

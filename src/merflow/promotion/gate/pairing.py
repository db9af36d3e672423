"""Two packages on the same test utterances, and the difference of their figures.

A dialogue's predictions from all seeds are kept together, so that several seeds of one utterance never count as several
utterances. The two packages may have been trained with different seeds.

Shapes: n tests, G dialogues.
"""

from dataclasses import dataclass

import numpy as np

from merflow.contracts.scores import Interval
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate.figures import Figure


@dataclass(frozen=True)
class Difference:
    """The difference between the candidate's figure and the champion's.

    Attributes:
        delta: The gain on the test utterances, above 0 if the candidate is better.
        interval: Interval with the requested tails; None if there are too few dialogues or labels are too rare.
        standard_error: Standard error of the difference; None if there is no interval.
        dialogues: Number of dialogues.
        utterances: Number of utterances; each counts once, whatever the seeds.
    """

    delta: float
    interval: Interval | None
    standard_error: float | None
    dialogues: int
    utterances: int


def difference(sums: np.ndarray, *, figure: Figure, utterances: int, tail: float) -> Difference:
    """Compute the difference of a figure with its interval.

    Args:
        sums: ``(2, G, ...)`` per dialogue, candidate first.
        figure: The figure.
        utterances: Number of utterances behind them.
        tail: Probability that the true difference lies below the interval, and that it lies above.
    """
    gain, spread = figure.gain(sums), figure.spread(sums, utterances=utterances)
    return Difference(
        delta=gain,
        interval=None if spread is None else spread.interval(gain, tail=tail),
        standard_error=None if spread is None else spread.standard_error,
        dialogues=sums.shape[1],
        utterances=utterances,
    )


def paired_difference_of(
    candidate: AlignedRows,
    champion: AlignedRows,
    rows: tuple[np.ndarray, np.ndarray],
    *,
    figure: Figure,
    tail: float,
) -> Difference:
    """Compute the difference on some rows of both packages; the rows belong to the same utterances."""
    sums = [figure.sums(variant, mask) for variant, mask in zip((candidate, champion), rows, strict=True)]
    utterances = len(set(candidate.utterance_ids[rows[0]].tolist()))
    return difference(np.stack(sums), figure=figure, utterances=utterances, tail=tail)


def same_tests(candidate: AlignedRows, champion: AlignedRows) -> str:
    """Return a description of the first difference between two packages' tests; empty if they are the same."""
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


def _tests(variant: AlignedRows) -> dict[str, tuple[int, float, int]]:
    """Return the fold, label and dialogue of each utterance."""
    facts = zip(variant.folds.tolist(), variant.labels.tolist(), variant.dialogues.tolist(), strict=True)
    return dict(zip(map(str, variant.utterance_ids), facts, strict=True))

"""Confidence intervals and significance tests for figures of one corpus.

Utterances of a dialogue share speakers, topic and mood and are not independent, so the bootstrap draws whole dialogues
with replacement (a cluster bootstrap). Counts and sums of a resample are a weighted sum of those of the dialogues, so
that all resamples are one matrix product. The intervals account for the choice of dialogues, but not for the choice
of seed or of training speakers. Percentiles of few dialogues are somewhat too narrow: in the simulations of
``tests/evaluation/test_simulations.py``, a 95% interval covers the truth about 94 times in 100 with 40 dialogues, and
less than 90 times with 8.

Quantiles and tail probabilities come from ``scipy.special``. ``scipy.stats`` calls the same functions and takes two
seconds to import.

Shapes: G dialogues, B resamples, C classes, K sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtr, stdtrit

from merflow.errors import EvaluationError

# With at least this many discordant utterances, the normal approximation in McNemar's test is as good as the exact
# test.
MCNEMAR_EXACT_BELOW = 25
# Fewer dialogues give neither an interval nor a p-value. An interval from four covers the truth only four times in
# five, and two dialogues that agree would make any difference look certain.
FEWEST_DIALOGUES = 5
# Number of dialogues times resamples that are drawn at once: 32 MB.
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class PairedDifference:
    """Figure of a minus figure of b, over the same resamples.

    Attributes:
        interval: 95% percentile interval of the difference; None below :data:`FEWEST_DIALOGUES`.
        standard_error: Standard deviation of the resampled differences; None below :data:`FEWEST_DIALOGUES`.
        p_value: Two-sided, in ``[2 / (B + 1), 1]``; 1 below :data:`FEWEST_DIALOGUES`.
    """

    interval: tuple[float, float] | None
    standard_error: float | None
    p_value: float


def dialogue_counts(cells: np.ndarray, dialogues: np.ndarray, *, groups: int, classes: int) -> np.ndarray:
    """Count the confusion matrix of each dialogue, ``(G, C, C)``.

    Args:
        cells: ``(n,)`` true class index times C plus predicted class index.
        dialogues: ``(n,)`` dialogue indices 0 to ``groups - 1``.
        groups: G.
        classes: C.
    """
    counts: np.ndarray = np.bincount(dialogues * classes**2 + cells, minlength=groups * classes**2)
    return counts.reshape(groups, classes, classes)


def resampled_counts(counts: np.ndarray, *, samples: int, seed: int) -> np.ndarray:
    """Draw the confusion counts of B resamples, ``(..., B, C, C)``, from the dialogues' counts ``(..., G, C, C)``.

    Leading axes are variants: each resample draws the same dialogues for all of them.
    """
    *variants, groups, classes, _ = counts.shape
    summed = resampled_sums(counts.reshape(*variants, groups, classes**2), samples=samples, seed=seed)
    return summed.reshape(*variants, samples, classes, classes)


def resampled_sums(values: np.ndarray, *, samples: int, seed: int) -> np.ndarray:
    """Draw B resamples of dialogues and sum their values: ``(..., B, K)`` from ``(..., G, K)``.

    Leading axes are variants: each resample draws the same dialogues for all of them. Memory use is bounded for any
    number of dialogues.
    """
    *variants, groups, width = values.shape
    flat = np.moveaxis(values.reshape(-1, groups, width), 0, 1).reshape(groups, -1).astype(np.float64)
    random = np.random.default_rng(seed)
    block = max(1, _BLOCK_CELLS // groups)
    drawn = [
        random.multinomial(groups, np.full(groups, 1 / groups), size=min(block, samples - start)) @ flat
        for start in range(0, samples, block)
    ]
    summed = np.concatenate(drawn).reshape(samples, -1, width)
    return np.moveaxis(summed, 0, 1).reshape(*variants, samples, width)


def enough_samples(samples: int, *, comparisons: int) -> int:
    """Return a number of at least 100 resamples per comparison, so that a p-value can be significant after adjustment.

    The smallest p-value of B resamples is ``2 / (B + 1)``, and the adjustment multiplies it by the number of
    comparisons.
    """
    return max(samples, 100 * comparisons)


def larger_family(*, variants: int, classic_pairs: int) -> int:
    """Return the number of pairs that Holm's method adjusts together, in the larger of the two families.

    One family has the pairs of two variants; the other has the pairs of a variant and a classic.
    """
    return max(variants * (variants - 1) // 2, classic_pairs)


def percentile_interval(values: np.ndarray, *, groups: int) -> tuple[float, float] | None:
    """Return the 2.5th and 97.5th percentile of the resampled figures; None below :data:`FEWEST_DIALOGUES`."""
    if groups < FEWEST_DIALOGUES:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def widened_interval(values: np.ndarray, *, groups: int) -> tuple[float, float] | None:
    """Return a 95% interval for few dialogues; None below :data:`FEWEST_DIALOGUES`.

    Percentile intervals of few dialogues are too narrow: the variance of the resamples is too small by a factor of
    ``(G - 1) / G``, and a normal tail replaces Student's. Percentiles further out correct both (the expanded percentile
    interval of Hesterberg 2015). For a hundred dialogues or more, the result is that of :func:`percentile_interval`.
    """
    if groups < FEWEST_DIALOGUES:
        return None
    reach = float(stdtrit(groups - 1, 0.975)) * (groups / (groups - 1)) ** 0.5
    tail = 100 * float(ndtr(-reach))
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def paired_difference(a: np.ndarray, b: np.ndarray, *, groups: int) -> PairedDifference:
    """Compare the resampled figures of two variants, ``(B,)`` each, drawn with the same resamples.

    The p-value inverts the percentile interval. It is twice the smaller share of resamples on either side of zero, with
    ties on both sides, and with one added to numerator and denominator so that it is never 0.
    """
    assert a.shape == b.shape
    difference = a - b
    tail = 1 + min(int((difference <= 0).sum()), int((difference >= 0).sum()))
    p_value = min(1.0, 2 * tail / (len(difference) + 1)) if groups >= FEWEST_DIALOGUES else 1.0
    return PairedDifference(
        interval=percentile_interval(difference, groups=groups),
        standard_error=float(difference.std(ddof=1)) if groups >= FEWEST_DIALOGUES else None,
        p_value=p_value,
    )


def student_interval(values: np.ndarray) -> tuple[float, float]:
    """Return Student's 95% interval of the mean of independent values ``(n,)``, at least two."""
    reach = float(stdtrit(len(values) - 1, 0.975)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - reach, float(values.mean()) + reach


def mcnemar(right_a: np.ndarray, right_b: np.ndarray, *, utterances: np.ndarray | None = None) -> float:
    """Test whether a and b are equally often right on the same tests ``(n,)`` bool; return the two-sided p-value.

    The test is exact below :data:`MCNEMAR_EXACT_BELOW` discordant utterances, and chi-squared with Edwards' continuity
    correction otherwise. It compares WA and treats utterances as independent; for UA, use the bootstrap.

    Several seeds test an utterance several times, and these tests are not independent. Each utterance then counts
    once, with the number of seeds in which a is right minus that of b (the test for clustered pairs of Durkalski et al.
    2003, without weights): under the null hypothesis, that number and its negative are equally likely. With one seed it
    is 1 or -1, and the test is McNemar's.

    Args:
        right_a: True where a is right.
        right_b: True where b is right.
        utterances: ``(n,)`` index from 0 of the utterance of each test; None if each test has its own.

    Raises:
        EvaluationError: The lengths differ.
    """
    if right_a.shape != right_b.shape:
        raise EvaluationError(
            f"McNemar's test needs pairs, not {right_a.shape} and {right_b.shape} tests; pass as many of each"
        )
    surplus = right_a.astype(np.int64) - right_b.astype(np.int64)
    if utterances is not None:
        surplus = np.bincount(utterances, weights=surplus).astype(np.int64)
    surplus = surplus[surplus != 0]
    total = abs(int(surplus.sum()))
    if len(surplus) < MCNEMAR_EXACT_BELOW:
        return _sign_flips(np.abs(surplus), total=total)
    step = int(np.gcd.reduce(np.abs(surplus)))  # half the distance between possible totals
    return float(chdtrc(1, (total - step) ** 2 / int((surplus**2).sum())))


def _sign_flips(sizes: np.ndarray, *, total: int) -> float:
    """Return the probability that random signs of these positive ``sizes`` sum to ``total`` or more, on either side."""
    reach = int(sizes.sum())
    share = np.zeros(2 * reach + 1)  # probabilities of the sums -reach to reach
    share[reach] = 1.0
    for size in sizes.tolist():
        share = (np.roll(share, size) + np.roll(share, -size)) / 2  # only zeros are rolled around the ends
    sums = np.abs(np.arange(-reach, reach + 1))
    return float(min(1.0, share[sums >= total].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values with Holm's step-down method (Holm 1979), in the given order.

    Rejecting those below alpha keeps the family-wise error rate below alpha.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]

"""Comparisons of variants by UA, with each other and with classics, and the differences that a test set can show."""

from pydantic import FiniteFloat

from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict

# A difference is significant if its Holm-adjusted p-value is below this.
ALPHA = 0.05


class SeedDifference(Strict):
    """The UA difference of one seed, pooled over its folds."""

    seed: int
    delta_ua: FiniteFloat


class DifferenceOverSeeds(Strict):
    """The UA difference over seeds, with Student's 95% interval."""

    mean: FiniteFloat
    std: FiniteFloat
    ci95: Interval
    each: tuple[SeedDifference, ...]


class Comparison(Strict):
    """A pair of variants.

    Attributes:
        a: The variant with the higher pooled UA.
        b: The other variant.
        delta_ua: Pooled UA of a minus that of b.
        ci95: 95% bootstrap interval of ``delta_ua``; None for fewer than five dialogues.
        standard_error: Standard error of ``delta_ua``; None for fewer than five dialogues.
        p_bootstrap: Two-sided p-value of ``delta_ua``.
        p_mcnemar: McNemar's test of WA.
        p_holm: ``p_bootstrap`` after Holm's adjustment over all pairs.
        p_mcnemar_holm: ``p_mcnemar`` after Holm's adjustment over all pairs.
        over_seeds: The difference over seeds; None for one seed.
    """

    a: str
    b: str
    delta_ua: FiniteFloat
    ci95: Interval | None
    standard_error: FiniteFloat | None
    p_bootstrap: FiniteFloat
    p_mcnemar: FiniteFloat
    p_holm: FiniteFloat
    p_mcnemar_holm: FiniteFloat
    over_seeds: DifferenceOverSeeds | None

    @property
    def significant(self) -> bool:
        """True if the adjusted p-value is below :data:`ALPHA`."""
        return self.p_holm < ALPHA

    def other(self, name: str) -> str:
        """Return the variant that ``name`` is compared with."""
        return self.b if name == self.a else self.a


class PairPower(Strict):
    """The smallest UA difference between two variants that the test set detects at ``alpha`` with ``power``."""

    a: str
    b: str
    standard_error: FiniteFloat
    detectable_ua: FiniteFloat


class PlannedPower(Strict):
    """The same for all of IEMOCAP, under assumptions.

    Attributes:
        utterances: Number of test utterances.
        dialogues: Number of dialogues.
        class_counts: Test utterances per class.
        disagreement: Assumed share of utterances on which exactly one of two variants is right.
        correlation: Assumed correlation of these differences within a dialogue.
        standard_error: Standard error of a UA difference under these assumptions.
        detectable_ua: Smallest UA difference that is detected.
    """

    utterances: int
    dialogues: int
    class_counts: tuple[int, ...]
    disagreement: FiniteFloat
    correlation: FiniteFloat
    standard_error: FiniteFloat
    detectable_ua: FiniteFloat


class Power(Strict):
    """Smallest differences that this test set can show.

    Attributes:
        alpha: Significance level.
        power: Probability of detecting a true difference of this size.
        utterances: Number of test utterances.
        dialogues: Number of dialogues.
        standard_error: Median over the pairs; None for one variant or few dialogues.
        detectable_ua: Difference that one comparison at ``alpha`` detects; None in the same cases.
        detectable_ua_holm: Difference that the strictest step of Holm's adjustment detects; None in the same cases.
        pairs: The same per pair.
        planned: The same for all of IEMOCAP, under assumptions.
    """

    alpha: FiniteFloat
    power: FiniteFloat
    utterances: int
    dialogues: int
    standard_error: FiniteFloat | None
    detectable_ua: FiniteFloat | None
    detectable_ua_holm: FiniteFloat | None
    pairs: tuple[PairPower, ...]
    planned: PlannedPower


class ClassicComparison(Strict):
    """A variant and a classic that reads nothing that the variant does not.

    Attributes:
        variant: The variant.
        classic: The classic.
        delta_ua: Pooled UA of the variant minus that of the classic.
        ci95: 95% bootstrap interval of ``delta_ua``; None for fewer than five dialogues.
        standard_error: Standard error of ``delta_ua``; None for fewer than five dialogues.
        p_bootstrap: Two-sided p-value of ``delta_ua``.
        p_holm: ``p_bootstrap`` after Holm's adjustment over all pairs of a variant and a classic. The pairs of two
            variants are a family of their own, so adding a classic changes nothing among the variants.
    """

    variant: str
    classic: str
    delta_ua: FiniteFloat
    ci95: Interval | None
    standard_error: FiniteFloat | None
    p_bootstrap: FiniteFloat
    p_holm: FiniteFloat

    @property
    def significant(self) -> bool:
        """True if the adjusted p-value is below :data:`ALPHA`."""
        return self.p_holm < ALPHA

    @property
    def ahead(self) -> bool:
        """True if the variant has the higher pooled UA."""
        return self.delta_ua > 0

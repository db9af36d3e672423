"""Differences between two predictors of scores, and the classics that variants are compared with."""

from pydantic import FiniteFloat

from merflow.contracts.comparisons import ALPHA
from merflow.contracts.score_figures import Measured
from merflow.contracts.scores import Interval
from merflow.contracts.streams import Modality
from merflow.contracts.strict import Strict


class FigureDifference(Strict):
    """The difference of one figure between two variants.

    Attributes:
        delta: Pooled figure of a minus that of b.
        ci95: 95% bootstrap interval of ``delta``; None for fewer than five dialogues.
        standard_error: Standard error of ``delta``; None for fewer than five dialogues.
        p_bootstrap: Two-sided p-value of ``delta``.
        p_holm: ``p_bootstrap`` after Holm's adjustment over all pairs.
    """

    delta: FiniteFloat
    ci95: Interval | None
    standard_error: FiniteFloat | None
    p_bootstrap: FiniteFloat
    p_holm: FiniteFloat

    @property
    def significant(self) -> bool:
        """True if the adjusted p-value is below :data:`merflow.contracts.comparisons.ALPHA`."""
        return self.p_holm < ALPHA


class ScoreClassic(Measured):
    """Figures of a classic: a learned baseline on the folds of the variants.

    Attributes:
        modalities: Modalities that it reads.
        context: True if it also reads the words of the turns before and after the utterance.
        transcripts: Kind of words that it reads; None without words.
        description: What it learns from and how, in a sentence.
    """

    modalities: tuple[Modality, ...]
    context: bool
    transcripts: str | None
    description: str


class ScoreClassicComparison(Strict):
    """A variant and a classic that reads nothing that the variant does not.

    Attributes:
        variant: The variant.
        classic: The classic.
        mae: Difference of MAE, variant minus classic, which decides; Holm adjusts its p over all such pairs.
        ccc: Difference of CCC; None if a CCC cannot be computed in some resample of some pair.
    """

    variant: str
    classic: str
    mae: FigureDifference
    ccc: FigureDifference | None

    @property
    def significant(self) -> bool:
        """True if the difference of MAE is significant."""
        return self.mae.significant

    @property
    def ahead(self) -> bool:
        """True if the variant has the lower pooled MAE."""
        return self.mae.delta < 0

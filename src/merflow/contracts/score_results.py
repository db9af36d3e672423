"""The content of ``results.json``, and of the comparison file, where the labels are scores.

:mod:`merflow.contracts.score_figures` has the figures of one variant. ``ranked`` and ``best`` are defined here and
nowhere else: the lowest MAE is the best.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, FiniteFloat

from merflow.contracts.formats import read_typed
from merflow.contracts.params import EvaluationParams
from merflow.contracts.results import (
    FORMAT,
    Evaluated,
    Results,
    VariantOfRun,
    evaluate_again,
    needs_emotions,
    read_results,
    task_in,
)
from merflow.contracts.score_differences import FigureDifference, ScoreClassic, ScoreClassicComparison
from merflow.contracts.score_figures import FIGURE_NAMES, FigureName, Measured, ScoreVariant
from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION, ScoreTask


class MaeOfSeed(Strict):
    """The MAE difference of one seed, pooled over its folds."""

    seed: int
    delta: FiniteFloat


class MaeOverSeeds(Strict):
    """The MAE difference over seeds, with Student's 95% interval."""

    mean: FiniteFloat
    std: FiniteFloat
    ci95: Interval
    each: tuple[MaeOfSeed, ...]


class ScoreComparison(Strict):
    """A pair of variants.

    Attributes:
        a: The variant with the lower pooled MAE.
        b: The other variant.
        mae: Difference of MAE, a minus b, which decides; below 0 or 0.
        ccc: Difference of CCC; None if a CCC cannot be computed in some resample of some pair.
        over_seeds: The MAE difference over seeds; None for one seed.
    """

    a: str
    b: str
    mae: FigureDifference
    ccc: FigureDifference | None
    over_seeds: MaeOverSeeds | None

    @property
    def significant(self) -> bool:
        """True if the difference of MAE is significant."""
        return self.mae.significant

    def other(self, name: str) -> str:
        """Return the variant that ``name`` is compared with."""
        return self.b if name == self.a else self.a


class ScorePower(Strict):
    """Smallest MAE differences that this test set can show.

    Attributes:
        alpha: Significance level.
        power: Probability of detecting a true difference of this size.
        standard_error: Median over the pairs; None for one variant or few dialogues.
        detectable_mae: Difference that one comparison at ``alpha`` detects; None in the same cases.
        detectable_mae_holm: Difference that the strictest step of Holm's adjustment detects; None in the same cases.
    """

    alpha: FiniteFloat
    power: FiniteFloat
    standard_error: FiniteFloat | None
    detectable_mae: FiniteFloat | None
    detectable_mae_holm: FiniteFloat | None


class ComparedScores(Evaluated):
    """Variants with scores on one test set, and how they differ.

    Attributes:
        task: The task.
        low: Lowest value of the scale.
        high: Highest value of the scale.
        variants: Figures per variant (``model:preset``).
        comparisons: Every pair once.
        power: Smallest differences that this test set can show.
        classics: Figures per classic (``classic:name``); empty if none were trained.
        classic_comparisons: Every variant with every classic that reads nothing that the variant does not.
    """

    task: ScoreTask
    low: FiniteFloat
    high: FiniteFloat
    variants: Mapping[str, Measured]
    comparisons: tuple[ScoreComparison, ...]
    power: ScorePower
    classics: Mapping[str, ScoreClassic] = Field(default_factory=dict)
    classic_comparisons: tuple[ScoreClassicComparison, ...] = ()

    @property
    def ranked(self) -> tuple[str, ...]:
        """Variants by rising pooled MAE; equal ones in alphabetical order."""
        return tuple(sorted(self.variants, key=lambda name: (self.variants[name].mae, name)))

    @property
    def best(self) -> str:
        """The first of :attr:`ranked`."""
        return self.ranked[0]

    @property
    def figure_names(self) -> tuple[FigureName, ...]:
        """The figures that this scale has, in the order of the tables."""
        figures = self.variants[self.best].figures
        return tuple(name for name in FIGURE_NAMES if name in figures)

    def comparisons_of(self, name: str) -> tuple[ScoreComparison, ...]:
        """Return the pairs that a variant is in."""
        return tuple(pair for pair in self.comparisons if name in (pair.a, pair.b))

    @property
    def ranked_classics(self) -> tuple[str, ...]:
        """Classics by rising pooled MAE; equal ones in alphabetical order."""
        return tuple(sorted(self.classics, key=lambda name: (self.classics[name].mae, name)))

    def best_classic(self, variant: str) -> ScoreClassicComparison | None:
        """Return a variant's comparison with the classic of the lowest pooled MAE among those it is compared with."""
        pairs = [pair for pair in self.classic_comparisons if pair.variant == variant]
        return min(pairs, key=lambda pair: self.ranked_classics.index(pair.classic), default=None)


class Floor(Strict):
    """Figures of predictions that look at no input; no test compares them with a variant.

    Attributes:
        values: Pooled figures by name.
        mae_ci95: 95% interval of MAE; None for fewer than five dialogues, and without an MAE.
        description: The rule in a sentence.
    """

    values: Mapping[FigureName, FiniteFloat | None]
    mae_ci95: Interval | None
    description: str


class StepCount(Strict):
    """The utterances of one step of the truth: label rounded to an integer, halves to the even one.

    Attributes:
        step: The step with its sign.
        utterances: Number of utterances.
    """

    step: str
    utterances: int


class Truth(Strict):
    """The labels of the test utterances; each counts once, whatever the seeds.

    Attributes:
        mean: Mean.
        std: Standard deviation with n.
        median: Median.
        steps: Number of utterances per step that occurs, lowest step first.
        below_zero: Number of utterances whose label is below 0.
        zero: Number of utterances whose label is 0.
        above_zero: Number of utterances whose label is above 0.
    """

    mean: FiniteFloat
    std: FiniteFloat
    median: FiniteFloat
    steps: tuple[StepCount, ...]
    below_zero: int
    zero: int
    above_zero: int


class ScoreResults(ComparedScores):
    """A finished benchmark whose labels are scores.

    Attributes:
        synthetic: True if the corpus is generated.
        published_corpus: The corpus and its labels as published figures name them; None if no paper used them.
        evaluation: Settings of the bootstrap.
        truth: The test labels.
        variants: Figures per variant (``model:preset``).
        floors: ``median``, ``mean`` and, on a scale with steps or a zero, ``majority``.
        known_differences: Known differences of the corpus from the real release, in words.
        shared_groups: Speakers and dialogues that an official split has in two parts.
    """

    synthetic: bool
    published_corpus: str | None
    evaluation: EvaluationParams
    truth: Truth
    variants: Mapping[str, ScoreVariant]
    floors: Mapping[str, Floor]
    known_differences: tuple[str, ...] = ()
    shared_groups: tuple[str, ...] = ()

    def chance(self, name: FigureName) -> float | None:
        """Return a figure of the best constant prediction: the median for MAE, else the majority; None for neither."""
        floor = self.floors.get("median" if name == "MAE" else "majority")
        return None if floor is None else floor.values.get(name)


class ComparedScoreVariant(VariantOfRun, Measured):
    """The figures of a variant of one run, and its origin."""


class ComparedScoreRuns(ComparedScores):
    """Variants of several finished runs.

    Attributes:
        runs: Folders of the runs.
        variants: Figures per variant, named as in :class:`merflow.contracts.results.ComparedRuns`.
    """

    runs: tuple[str, ...]
    variants: Mapping[str, ComparedScoreVariant]


# The results of any task.
AnyResults = Results | ScoreResults


def of_emotions(results: AnyResults) -> Results:
    """Return results, if they are those of emotions.

    Raises:
        EvaluationError: They are those of scores.
    """
    if isinstance(results, ScoreResults):
        raise needs_emotions("this run", task=results.task)
    return results


def read_any_results(path: Path) -> AnyResults:
    """Read ``results.json`` of any task.

    Raises:
        FormatError: Another version of merflow wrote the file, or it is damaged.
        MerflowError: The file is missing or is not JSON.
    """
    if task_in(path) == EMOTION:
        return read_results(path)
    return read_typed(ScoreResults, path, number=FORMAT, remedy=evaluate_again(path))

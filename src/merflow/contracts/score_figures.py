"""The figures of one variant whose labels are scores (:mod:`merflow.contracts.task`).

MAE is in units of the scale; CCC and Pearson's correlation are -1 to 1; ACC7, ACC2 and F1 are shares, 0 to 1. Every
number is finite; None means a figure that cannot be computed, for example a correlation of constant predictions.

The field has three conventions for ACC2 and F1, and papers rarely say which one is theirs. A figure is therefore always
named with its convention (:data:`CONVENTIONS`). F1 is weighted by class size in all of them.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import FiniteFloat

from merflow.contracts.published import Metric, PublishedFigure
from merflow.contracts.scores import Bias, Interval, Spread, Training
from merflow.contracts.strict import Strict

Convention = Literal["has0", "non0", "zero as negative"]
# Each convention in words: the two classes, and the utterances that count.
CONVENTIONS: Mapping[Convention, str] = {
    "has0": "negative against non-negative, all utterances",
    "non0": "negative against positive, without utterances whose truth is 0",
    "zero as negative": "positive against the rest, all utterances",
}
FigureName = Literal[
    "MAE",
    "CCC",
    "Pearson",
    "ACC7",
    "ACC2 has0",
    "F1 has0",
    "ACC2 non0",
    "F1 non0",
    "ACC2 zero as negative",
    "F1 zero as negative",
]
FIGURE_NAMES: tuple[FigureName, ...] = get_args(FigureName)
# The convention of the binary figures in a model's paper. MFDR: "negative (<0), positive (>0)"; the paper says nothing
# of its F1, which is taken to be the weighted one of the same convention.
PUBLISHED_CONVENTION: Mapping[str, Convention] = {"mfdr": "non0"}
# The figures that every scale has; the others need seven steps or a zero.
ON_EVERY_SCALE: tuple[FigureName, ...] = ("MAE", "CCC", "Pearson")
ScoreBreakdown = Literal["setting", "session", "speaker", "gender", "length", "truth"]


def is_share(name: FigureName) -> bool:
    """Return True for a figure that is a share, 0 to 1, and is printed in percent."""
    return name not in ON_EVERY_SCALE


def counterpart(metric: Metric, *, model: str) -> FigureName | None:
    """Return the figure that a paper's metric of sentiment is to be read next to; None if the paper does not tell."""
    if metric == "ACC7":
        return "ACC7"
    names = {f"{metric} {PUBLISHED_CONVENTION[model]}"} if model in PUBLISHED_CONVENTION else set()
    return next((name for name in FIGURE_NAMES if name in names), None)


class Figure(Strict):
    """One figure of a variant; mean and deviation are over folds and seeds.

    Attributes:
        pooled: The figure of all test predictions together.
        mean: Mean over the tests; None if a test lacks the figure.
        std: Standard deviation over the tests with n - 1; None for a single test too.
        ci95: 95% bootstrap interval of ``pooled`` over dialogues; None for fewer than five dialogues, if a resample
            lacks the figure, and where none is computed.
    """

    pooled: FiniteFloat | None
    mean: FiniteFloat | None
    std: FiniteFloat | None
    ci95: Interval | None = None


class FoldFigures(Strict):
    """Test figures of one fold and seed, with the development figures of its chosen epoch.

    Attributes:
        fold: Counted from 1.
        seed: Training seed.
        utterances: Number of test utterances.
        values: Test figures by name.
        chosen_epoch: Chosen epoch; None if unknown.
        dev_mae: Development MAE of that epoch; None if unknown or not finite, as are the next two.
        dev_ccc: Development CCC of that epoch.
        dev_loss: Development loss of that epoch.
    """

    fold: int
    seed: int
    utterances: int
    values: Mapping[FigureName, FiniteFloat | None]
    chosen_epoch: int | None
    dev_mae: FiniteFloat | None
    dev_ccc: FiniteFloat | None
    dev_loss: FiniteFloat | None


class SeedFigures(Strict):
    """Figures of one seed, pooled over its folds."""

    seed: int
    values: Mapping[FigureName, FiniteFloat | None]

    @property
    def mae(self) -> float:
        """MAE, which every seed has."""
        mae = self.values["MAE"]
        assert mae is not None, "the mean of absolute errors exists for any predictions"
        return mae


class FiguresOverSeeds(Strict):
    """MAE over the seeds, and every figure of each; the folds of each seed are pooled first."""

    mae: Spread
    each: tuple[SeedFigures, ...]


class ScoreGroup(Strict):
    """Figures of a group of test utterances, such as one session or one step of the truth.

    Attributes:
        group: Name of the group.
        utterances: Number of test utterances in it.
        mae: Mean absolute error; None for an empty group.
        ci95: 95% interval of ``mae``, widened for few dialogues; None for too few dialogues.
        mean_error: Mean of prediction minus truth; None for an empty group.
        ccc: Concordance correlation; None if the truth does not vary, and in groups of equal truth.
    """

    group: str
    utterances: int
    mae: FiniteFloat | None
    ci95: Interval | None
    mean_error: FiniteFloat | None
    ccc: FiniteFloat | None


class Cell(Strict):
    """Tests of about equal truth and prediction, for a scatter plot of any number of tests.

    Attributes:
        truth: Truth, rounded to a sixth.
        predicted: Prediction, rounded to a sixth.
        tests: Number of tests; an utterance counts once per seed.
    """

    truth: FiniteFloat
    predicted: FiniteFloat
    tests: int


class ResidualBin(Strict):
    """Residuals, prediction minus truth, of the tests whose truth rounds to one step.

    Attributes:
        step: The step: truth rounded to an integer, halves to the even one.
        tests: Number of tests; an utterance counts once per seed.
        mean: Mean residual.
        quartiles: 25th, 50th and 75th percentile of the residuals.
    """

    step: int
    tests: int
    mean: FiniteFloat
    quartiles: tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class ErrorBin(Strict):
    """Tests whose error, prediction minus truth, is in a range; the first and last bin hold all beyond them.

    Attributes:
        low: Lower edge, inclusive.
        high: Upper edge, exclusive.
        tests: Number of tests; an utterance counts once per seed.
    """

    low: FiniteFloat
    high: FiniteFloat
    tests: int


class NonePaperFigures(Strict):
    """Figures of the test-selected epochs. They show the bias of such a choice and nothing else.

    Attributes:
        figures: Figures of those epochs.
        bias_mae: Their MAE minus the honest one; below 0 if the choice flatters.
        bias_ccc: Their CCC minus the honest one; None if one of them cannot be computed.
    """

    promotable: Literal[False] = False
    figures: Mapping[FigureName, Figure]
    bias_mae: Bias
    bias_ccc: Bias | None


class MissingFigures(Strict):
    """Figures of the same models with a modality taken away or with other transcripts.

    Attributes:
        figures: Without intervals.
        delta_mae: Pooled MAE minus the pooled MAE with the whole input; above 0 if the input is missed.
    """

    figures: Mapping[FigureName, Figure]
    delta_mae: FiniteFloat


class Measured(Strict):
    """The figures that every comparison needs.

    Attributes:
        figures: Figures by name; those that the scale does not have are left out.
    """

    figures: Mapping[FigureName, Figure]

    @property
    def mae(self) -> float:
        """Pooled MAE, which every variant has."""
        pooled = self.figures["MAE"].pooled
        assert pooled is not None, "the mean of absolute errors exists for any predictions"
        return pooled


class ScoreVariant(Measured):
    """Everything that is reported about one variant; figures are of all test predictions together unless they say so.

    Attributes:
        cells: Occupied cells of a scatter plot, by truth and prediction.
        residuals: Residuals per step of the truth, lowest step first; steps without tests are left out.
        errors: Distribution of the errors, lowest first.
        breakdowns: Figures per group of utterances; empty if the corpus does not know the groups.
        folds: Figures per fold and seed.
        over_seeds: Figures over seeds.
        none_paper: Figures of test-selected epochs; None unless they were requested.
        missing: Figures per missing modality or other transcripts, named as in the ``missing`` prediction table.
        training: How the variant was trained.
        published: The paper's own figures, of every corpus and protocol; empty if the paper reports none.
    """

    cells: tuple[Cell, ...]
    residuals: tuple[ResidualBin, ...]
    errors: tuple[ErrorBin, ...]
    breakdowns: Mapping[ScoreBreakdown, tuple[ScoreGroup, ...]]
    folds: tuple[FoldFigures, ...]
    over_seeds: FiguresOverSeeds
    none_paper: NonePaperFigures | None
    missing: Mapping[str, MissingFigures]
    training: Training
    published: tuple[PublishedFigure, ...]

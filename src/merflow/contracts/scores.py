"""The figures of one variant.

Figures are shares, 0 to 1. Every number is finite; None means a figure that cannot be computed.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import FiniteFloat

from merflow.contracts.published import PublishedFigure
from merflow.contracts.regime import Regime
from merflow.contracts.selection import Selection
from merflow.contracts.streams import Modality, Role
from merflow.contracts.strict import Strict

Interval = tuple[FiniteFloat, FiniteFloat]
Breakdown = Literal["setting", "session", "speaker", "emotion", "length"]


class Spread(Strict):
    """A figure over repeated tests.

    Attributes:
        mean: Mean over the tests.
        std: Standard deviation with n - 1; None for a single test.
    """

    mean: FiniteFloat
    std: FiniteFloat | None


class Accuracy(Spread):
    """UA or WA of a variant; mean and deviation are over folds and seeds.

    Attributes:
        pooled: The figure of all test predictions together.
        ci95: 95% bootstrap interval over dialogues; None for fewer than five dialogues, and where none is computed.
    """

    pooled: FiniteFloat
    ci95: Interval | None = None


class Chance(Strict):
    """UA and WA of a constant guess: the best that can be had without looking at the input."""

    ua: FiniteFloat
    wa: FiniteFloat


class FoldScore(Strict):
    """Test figures of one fold and seed, with the development figures of its chosen epoch.

    Attributes:
        fold: Counted from 1.
        seed: Training seed.
        utterances: Number of test utterances.
        ua: Test UA.
        wa: Test WA.
        macro_f1: Mean F1 over the classes.
        weighted_f1: Mean F1 weighted by class size.
        ece: Expected calibration error.
        chosen_epoch: Chosen epoch; None if unknown.
        dev_ua: Development UA of that epoch; None if unknown.
        dev_loss: Development loss of that epoch; None if unknown or not finite.
    """

    fold: int
    seed: int
    utterances: int
    ua: FiniteFloat
    wa: FiniteFloat
    macro_f1: FiniteFloat
    weighted_f1: FiniteFloat
    ece: FiniteFloat
    chosen_epoch: int | None
    dev_ua: FiniteFloat | None
    dev_loss: FiniteFloat | None


class SeedScore(Strict):
    """UA and WA of one seed, pooled over its folds."""

    seed: int
    ua: FiniteFloat
    wa: FiniteFloat


class OverSeeds(Strict):
    """UA and WA over the seeds; the folds of each seed are pooled first."""

    ua: Spread
    wa: Spread
    each: tuple[SeedScore, ...]


class Group(Strict):
    """Figures of a group of test utterances, such as one session or one emotion.

    Attributes:
        group: Name of the group.
        utterances: Number of test utterances in it.
        classes: Number of classes that UA averages over: those that occur in the group.
        ua: Unweighted accuracy, or the recall of a single emotion; None for an empty group.
        wa: Weighted accuracy; None for an empty group and for a single emotion.
        ci95: 95% interval of UA, widened for few dialogues; None for too few dialogues or too rare classes.
    """

    group: str
    utterances: int
    classes: int
    ua: FiniteFloat | None
    wa: FiniteFloat | None
    ci95: Interval | None


class ReliabilityBin(Strict):
    """Predictions of similar confidence.

    Attributes:
        low: Lower edge of the bin, exclusive.
        high: Upper edge of the bin, inclusive.
        utterances: Number of predictions; an utterance counts once per seed.
        confidence: Mean probability of the predicted class.
        accuracy: Share of correct predictions.
    """

    low: FiniteFloat
    high: FiniteFloat
    utterances: int
    confidence: FiniteFloat
    accuracy: FiniteFloat


class Bias(Strict):
    """Test-selected minus honest figure, on the same resamples."""

    pooled: FiniteFloat
    ci95: Interval | None


class Biases(Strict):
    """Bias of UA and of WA."""

    ua: Bias
    wa: Bias


class NonePaper(Strict):
    """Figures of the epochs with the highest test UA. They show the bias of such a choice and nothing else."""

    promotable: Literal[False] = False
    ua: Accuracy
    wa: Accuracy
    bias: Biases


class MissingInput(Strict):
    """Figures of the same models with a modality taken away or with other transcripts.

    Attributes:
        ua: Without an interval.
        wa: Without an interval.
        delta_ua: Pooled UA minus the pooled UA with the whole input.
    """

    ua: Accuracy
    wa: Accuracy
    delta_ua: FiniteFloat


class Training(Strict):
    """The training of a variant.

    Attributes:
        selection: Rule that chose the epoch.
        regime: The encoders' part in the training.
        transcripts: Transcripts that were read, ``truth``, ``asr`` or ``asr+truth``; None for a model without text.
        transcripts_of_preset: Transcripts that the preset asks for; None for a model without text.
        profile: Name of the encoder profile.
        encoders: Model, revision and layers of each encoder, by role.
        has_paper_encoders: True if every encoder is exactly the one that the paper names.
        modalities: Modalities that the model reads.
        context: True if it also reads the words of the turns before and after the utterance.
    """

    selection: Selection
    regime: Regime
    transcripts: str | None
    transcripts_of_preset: str | None
    profile: str
    encoders: Mapping[Role, str]
    has_paper_encoders: bool
    modalities: tuple[Modality, ...]
    context: bool


class Scored(Strict):
    """The two figures that every comparison needs."""

    ua: Accuracy
    wa: Accuracy


class ClassicScore(Scored):
    """Figures of a classic: a learned baseline on the folds of the variants.

    Attributes:
        macro_f1: Mean F1 over the classes.
        weighted_f1: Mean F1 weighted by class size.
        per_class_recall: Recall per class; None for a class without test utterances.
        modalities: Modalities that it reads.
        context: True if it also reads the words of the turns before and after the utterance.
        transcripts: Kind of words that it reads; None without words.
        description: What it learns from and how, in a sentence.
    """

    macro_f1: FiniteFloat
    weighted_f1: FiniteFloat
    per_class_recall: Mapping[str, FiniteFloat | None]
    modalities: tuple[Modality, ...]
    context: bool
    transcripts: str | None
    description: str


class Variant(Scored):
    """Everything that is reported about one variant; figures are of all test predictions together unless they say so.

    Attributes:
        macro_f1: Mean F1 over the classes.
        weighted_f1: Mean F1 weighted by class size.
        ece: Expected calibration error.
        reliability: Bins of ``ece`` that hold predictions, lowest confidence first.
        per_class_recall: Recall per class; None for a class without test utterances.
        confusion: Counts, true class in rows and predicted class in columns.
        chance: UA and WA of a constant guess.
        breakdowns: Figures per group of utterances; empty if the corpus does not know the groups.
        folds: Figures per fold and seed.
        over_seeds: Figures over seeds.
        none_paper: Figures of test-selected epochs; None unless they were requested.
        missing: Figures per missing modality or other transcripts, named as in the ``missing`` prediction table.
        training: How the variant was trained.
        published: The paper's own figures, of every corpus and protocol; empty if the paper reports none.
    """

    macro_f1: FiniteFloat
    weighted_f1: FiniteFloat
    ece: FiniteFloat
    reliability: tuple[ReliabilityBin, ...]
    per_class_recall: Mapping[str, FiniteFloat | None]
    confusion: tuple[tuple[int, ...], ...]
    chance: Chance
    breakdowns: Mapping[Breakdown, tuple[Group, ...]]
    folds: tuple[FoldScore, ...]
    over_seeds: OverSeeds
    none_paper: NonePaper | None
    missing: Mapping[str, MissingInput]
    training: Training
    published: tuple[PublishedFigure, ...]

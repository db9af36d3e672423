"""The content of ``results.json``, and of the file that ``merflow compare --out`` writes.

:mod:`merflow.contracts.scores` has the figures of one variant. ``ranked`` and ``best`` are defined here and nowhere
else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import FiniteFloat

from merflow.contracts.formats import read_content, read_typed, write_typed
from merflow.contracts.params import EvaluationParams
from merflow.contracts.protocols import Protocol
from merflow.contracts.regime import Regime
from merflow.contracts.scores import ClassicScore, Interval, Scored, Variant
from merflow.contracts.selection import Selection
from merflow.contracts.streams import Role
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION
from merflow.errors import EvaluationError

FORMAT = 3
# A difference counts as significant where its Holm-adjusted p-value is below this.
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
        detectable_ua: Difference that one comparison at ``alpha`` detects; None likewise.
        detectable_ua_holm: Difference that the strictest step of Holm's adjustment detects; None likewise.
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


class BaselineScore(Strict):
    """Figures of predictions that are made without a model of emotion; no test compares them with a variant.

    Attributes:
        ua: Pooled UA.
        wa: Pooled WA.
        ci95: 95% interval of UA; None for fewer than five dialogues.
        description: What the baseline predicts from, in a sentence.
    """

    ua: FiniteFloat
    wa: FiniteFloat
    ci95: Interval | None
    description: str


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
            variants are a family of their own, so that a classic more changes nothing among the variants.
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


class SettingGap(Strict):
    """UA on scripted and on improvised utterances; a model that knows scripts by heart is better on the first.

    Attributes:
        scripted: UA on scripted utterances.
        improvised: UA on improvised utterances.
        gap: The first minus the second.
        ci95: 95% bootstrap interval of ``gap``; None where a setting has too few dialogues or too rare classes.
    """

    scripted: FiniteFloat
    improvised: FiniteFloat
    gap: FiniteFloat
    ci95: Interval | None


class LearnedLeak(Strict):
    """The UA that TF-IDF owes to lines it was trained on: the same tests with and without them in training.

    Attributes:
        classic: TF-IDF, trained on everything.
        unseen: The same, trained without the dialogues that repeat the tested one and without the test part's lines.
        group: Tested utterances: ``scripted`` where the corpus says which are, else ``all``.
        utterances: Number of them.
        ua: UA of ``classic`` on them.
        ua_unseen: UA of ``unseen`` on them.
        leak: The first minus the second.
        ci95: 95% bootstrap interval of ``leak``; None for fewer than five dialogues.
    """

    classic: str
    unseen: str
    group: Literal["scripted", "all"]
    utterances: int
    ua: FiniteFloat
    ua_unseen: FiniteFloat
    leak: FiniteFloat
    ci95: Interval | None


class TextLeak(Strict):
    """Signs that words give emotions away because training and test data repeat lines.

    Attributes:
        gaps: The gap between the settings, per variant and per classic, the leak baseline included; empty where the
            corpus does not know the settings, or has only one.
        learned: The leak of TF-IDF, per kind of transcripts; empty without words.
    """

    gaps: Mapping[str, SettingGap]
    learned: tuple[LearnedLeak, ...]


class Evaluated(Strict):
    """Facts about the tests of an evaluation or a comparison, whatever the task.

    Attributes:
        corpus: Name of the corpus.
        manifest_hash: Version of the corpus.
        split_id: Identity of the splits.
        protocol: Protocol of the splits.
        utterances: Number of test utterances.
        dialogues: Number of dialogues.
        seeds: Training seeds, the same for every variant.
        resamples: Bootstrap resamples; more than requested where there are many pairs.
    """

    corpus: str
    manifest_hash: str
    split_id: str
    protocol: Protocol
    utterances: int
    dialogues: int
    seeds: tuple[int, ...]
    resamples: int

    def as_json(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, numbers and strings."""
        return self.model_dump(mode="json")

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OutputError: The file cannot be written.
        """
        write_typed(path, self, number=FORMAT)


class ComparedVariants(Evaluated):
    """Variants on one test set, and how they differ.

    Attributes:
        task: The task; a file of an earlier version does not say it.
        variants: Figures per variant (``model:preset``).
        comparisons: Every pair once.
        power: Smallest differences that this test set can show.
        classics: Figures per classic (``classic:name``); empty if none were trained.
        classic_comparisons: Every variant with every classic that reads nothing that the variant does not.
    """

    task: Literal["emotion"] = EMOTION
    variants: Mapping[str, Scored]
    comparisons: tuple[Comparison, ...]
    power: Power
    classics: Mapping[str, ClassicScore]
    classic_comparisons: tuple[ClassicComparison, ...]

    @property
    def ranked(self) -> tuple[str, ...]:
        """Variants by falling pooled UA; equal ones in alphabetical order."""
        return tuple(sorted(self.variants, key=lambda name: (-self.variants[name].ua.pooled, name)))

    @property
    def best(self) -> str:
        """The first of :attr:`ranked`."""
        return self.ranked[0]

    def comparisons_of(self, name: str) -> tuple[Comparison, ...]:
        """Return the pairs that a variant is in."""
        return tuple(pair for pair in self.comparisons if name in (pair.a, pair.b))

    def best_classic(self, variant: str) -> ClassicComparison | None:
        """Return a variant's comparison with the classic of the highest pooled UA among those it is compared with."""
        pairs = [pair for pair in self.classic_comparisons if pair.variant == variant]
        return max(pairs, key=lambda pair: (self.classics[pair.classic].ua.pooled, pair.classic), default=None)


class Results(ComparedVariants):
    """A finished benchmark.

    Attributes:
        synthetic: True if the corpus is generated.
        published_corpus: The corpus and its emotions as published figures name them; None if no paper used them.
        classes: Class names, in the order of ``confusion``.
        class_counts: Test utterances per class.
        evaluation: Settings of the bootstrap and the calibration error.
        variants: Figures per variant (``model:preset``).
        baselines: ``majority``, ``side-only`` and ``text-leak``; without those that the corpus has no columns for.
        text_leak: Signs that words give emotions away; None without classics and settings.
        known_differences: Known differences of the corpus from the real release, in words.
        shared_groups: Speakers and dialogues that an official split has in two parts.
    """

    synthetic: bool
    published_corpus: str | None
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    evaluation: EvaluationParams
    variants: Mapping[str, Variant]
    baselines: Mapping[str, BaselineScore]
    text_leak: TextLeak | None
    known_differences: tuple[str, ...] = ()
    shared_groups: tuple[str, ...] = ()


class VariantOfRun(Strict):
    """The origin of a compared variant, whatever the task.

    Attributes:
        run: Folder of the run.
        selection: Rule that chose its epochs.
        regime: The encoders' part in its training.
        encoders: Model, revision and layers of each encoder, by role.
    """

    run: str
    selection: Selection
    regime: Regime
    encoders: Mapping[Role, str]


class ComparedVariant(VariantOfRun, Scored):
    """The figures of a variant of one run, and its origin."""


class ComparedRuns(ComparedVariants):
    """Variants of several finished runs.

    Attributes:
        runs: Folders of the runs.
        variants: Figures per variant; one with several encoders is named by its profile too
            (``model:preset@profile``), and one that several runs have by its run.
    """

    runs: tuple[str, ...]
    variants: Mapping[str, ComparedVariant]


def read_results(path: Path) -> Results:
    """Read ``results.json`` of emotions, for a command that takes no scores.

    Raises:
        EvaluationError: The file has the results of scores.
        FormatError: Another version of merflow wrote the file, or it is damaged.
        MerflowError: The file is missing or is not JSON.
    """
    task = task_in(path)
    if task != EMOTION:
        raise needs_emotions(str(path), task=task)
    return read_typed(Results, path, number=FORMAT, remedy=evaluate_again(path))


def needs_emotions(where: str, *, task: str) -> EvaluationError:
    """Return the error about results of scores, for whatever takes emotions alone."""
    return EvaluationError(
        f"{where} has results of the task {task!r}, whose labels are scores, and emotions are needed here; use a run "
        "of the task 'emotion', or merflow report, evaluate, compare or plots, which take scores"
    )


def task_in(path: Path) -> str:
    """Return the task of ``results.json``: ``emotion`` where the file does not say it.

    Raises:
        FormatError: The file is missing or is not JSON.
    """
    return str(read_content(path, remedy=evaluate_again(path)).get("task", EMOTION))


def evaluate_again(path: Path) -> str:
    """Return the remedy for a results file that cannot be read."""
    return (
        "evaluate the folds again: repeat the benchmark's command, which keeps its finished folds, or run "
        f"merflow evaluate FOLDS --manifest MANIFEST --splits SPLITS --out {path.parent}"
    )

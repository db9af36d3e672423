"""The content of ``results.json``, and of the file that ``merflow compare --out`` writes.

:mod:`merflow.contracts.scores` has the figures of one variant. ``ranked`` and ``best`` are defined here and nowhere
else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import FiniteFloat

from merflow.contracts.comparisons import ClassicComparison, Comparison, Power
from merflow.contracts.formats import read_content, read_typed, write_typed
from merflow.contracts.joined import CrossCorpus
from merflow.contracts.params import EvaluationParams
from merflow.contracts.protocols import Protocol
from merflow.contracts.regime import Regime
from merflow.contracts.scores import ClassicScore, Interval, Scored, Variant
from merflow.contracts.selection import Selection
from merflow.contracts.streams import Role
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION
from merflow.contracts.text_leak import TextLeak
from merflow.errors import EvaluationError

FORMAT = 3


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
        cross_corpus: The corpora that were trained on and tested, of a cell of a cross-corpus matrix; otherwise None.
    """

    corpus: str
    manifest_hash: str
    split_id: str
    protocol: Protocol
    utterances: int
    dialogues: int
    seeds: tuple[int, ...]
    resamples: int
    cross_corpus: CrossCorpus | None = None

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
        task: The task; files of earlier versions do not say it.
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
    """Read ``results.json`` of emotions, for commands that do not support scores.

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
    """Return the error about results of scores, for code that only supports emotions."""
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

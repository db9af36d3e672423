"""The results of the stress suite: how predictions and UA change when the input gets worse."""

from pathlib import Path

from pydantic import FiniteFloat

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict
from merflow.errors import ModelError

STRESS = "stress.json"
FORMAT = 1
_REMEDY = "run merflow stress again"


class ConditionResult(Strict):
    """One condition: the same utterances with one thing changed.

    Attributes:
        name: Its name with its level, such as ``noise-10dB``.
        family: The kind of change, such as ``noise``.
        description: The change in a few words, with its unit.
        utterances: Number of utterances.
        ua: UA under the condition, 0 to 1.
        delta_ua: ``ua`` minus the UA of the same utterances unchanged.
        ci95: Paired 95% interval of ``delta_ua``; None for fewer than five dialogues.
        unchanged: Share of utterances whose predicted class stays the same.
        allowed_drop: Largest drop of UA that passes, 0 to 1: what the condition may cost, and what chance adds to it in
            a sample of this size.
        min_unchanged: Smallest share of unchanged predictions that passes; it has room for chance too.
        passed: True if both hold.
    """

    name: str
    family: str
    description: str
    utterances: int
    ua: FiniteFloat
    delta_ua: FiniteFloat
    ci95: Interval | None
    unchanged: FiniteFloat
    allowed_drop: FiniteFloat
    min_unchanged: FiniteFloat
    passed: bool


class GroupResult(Strict):
    """The UA of a group of utterances against that of all others, nothing changed.

    Attributes:
        by: The grouping: ``gender``, ``speaker``, ``session`` or ``length``.
        group: Name of the group.
        utterances: Number of utterances.
        ua: UA of the group over the classes that occur in it; None for an empty group.
        delta_ua: UA of the group minus that of the others, over the classes that both have; None if they share none.
        ci95: 95% interval of ``delta_ua``; None where it cannot be computed.
        allowed_gap: Largest gap that passes: what a random model of the same accuracy shows by chance, and at least a
            few points.
        passed: True if the group is not worse than the others by more than that.
    """

    by: str
    group: str
    utterances: int
    ua: FiniteFloat | None
    delta_ua: FiniteFloat | None
    ci95: Interval | None
    allowed_gap: FiniteFloat
    passed: bool


class SkippedCondition(Strict):
    """A condition that was not tested.

    Attributes:
        name: Its name.
        reason: Why not, in words.
    """

    name: str
    reason: str


class StressResults(Strict):
    """The results of one run of the suite.

    Attributes:
        variant: ``model:preset``.
        corpus: Name of the corpus.
        synthetic: True if the corpus is generated, so that the figures say nothing about people.
        classes: Emotion classes.
        split_id: Identity of the splits whose test parts were used.
        suite: Digest of conditions, levels, seed and utterances: results of one suite can be compared.
        seed: Seed of noise and thresholds.
        utterances: Number of utterances.
        ua: UA of these utterances unchanged.
        conditions: One result per condition.
        groups: One result per group.
        skipped: Conditions of the suite that were not tested.
    """

    variant: str
    corpus: str
    synthetic: bool
    classes: tuple[str, ...]
    split_id: str
    suite: str
    seed: int
    utterances: int
    ua: FiniteFloat
    conditions: tuple[ConditionResult, ...]
    groups: tuple[GroupResult, ...]
    skipped: tuple[SkippedCondition, ...]

    @property
    def checks(self) -> int:
        """Number of conditions and groups that were checked."""
        return len(self.conditions) + len(self.groups)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the conditions and groups that did not pass."""
        groups = (f"{result.by} {result.group}" for result in self.groups if not result.passed)
        return (*(result.name for result in self.conditions if not result.passed), *groups)


def write_stress(folder: Path, results: StressResults) -> None:
    """Write ``stress.json``.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / STRESS, results, number=FORMAT)


def read_stress(folder: Path) -> StressResults:
    """Read ``stress.json``.

    Raises:
        ModelError: The folder holds none.
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = folder / STRESS
    if not path.is_file():
        raise ModelError(f"no such file: {path}; {_REMEDY}")
    return read_typed(StressResults, path, number=FORMAT, remedy=_REMEDY)

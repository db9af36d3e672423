"""The results of the stress suite: the change of predictions and figures when the input gets worse.

An emotion model is judged by UA and by its predicted classes, a score model by CCC and by its scores.
"""

from pathlib import Path

from pydantic import FiniteFloat

from merflow.contracts.formats import read_content, read_typed, write_typed
from merflow.contracts.stress_checks import (
    ComparedGroup,
    ConditionResult,
    GroupResult,
    ScoreConditionResult,
    ScoreGroupResult,
    StressedCondition,
)
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION, ScoreTask
from merflow.errors import ModelError

STRESS = "stress.json"
FORMAT = 1
_REMEDY = "run merflow stress again"


class SkippedCondition(Strict):
    """A condition that was not tested.

    Attributes:
        name: Its name.
        reason: Why not, in words.
    """

    name: str
    reason: str


class StressRun(Strict):
    """The results of one run of the suite, whatever the task.

    Attributes:
        variant: ``model:preset``.
        corpus: Name of the corpus.
        synthetic: True if the corpus is generated, so that the figures say nothing about people.
        split_id: Identity of the splits whose test parts were used.
        suite: Digest of conditions, levels, seed and utterances: results of one suite can be compared.
        seed: Seed of noise and thresholds.
        utterances: Number of utterances.
        conditions: One result per condition.
        groups: One result per group.
        skipped: Conditions of the suite that were not tested.
    """

    variant: str
    corpus: str
    synthetic: bool
    split_id: str
    suite: str
    seed: int
    utterances: int
    conditions: tuple[StressedCondition, ...]
    groups: tuple[ComparedGroup, ...]
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


class StressResults(StressRun):
    """The results of an emotion model.

    Attributes:
        classes: Emotion classes.
        ua: UA of these utterances unchanged.
        conditions: One result per condition.
        groups: One result per group.
    """

    classes: tuple[str, ...]
    ua: FiniteFloat
    conditions: tuple[ConditionResult, ...]
    groups: tuple[GroupResult, ...]


class ScoreStressResults(StressRun):
    """The results of a score model.

    Attributes:
        task: The task.
        low: Lowest value of its scale.
        high: Highest value of its scale.
        ccc: CCC of these utterances unchanged.
        mae: MAE of these utterances unchanged.
        conditions: One result per condition.
        groups: One result per group.
    """

    task: ScoreTask
    low: FiniteFloat
    high: FiniteFloat
    ccc: FiniteFloat
    mae: FiniteFloat
    conditions: tuple[ScoreConditionResult, ...]
    groups: tuple[ScoreGroupResult, ...]


AnyStress = StressResults | ScoreStressResults


def write_stress(folder: Path, results: AnyStress) -> None:
    """Write ``stress.json``.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / STRESS, results, number=FORMAT)


def read_stress(folder: Path) -> AnyStress:
    """Read ``stress.json``; a file that names no task is of emotions.

    Raises:
        ModelError: The folder holds none.
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = folder / STRESS
    if not path.is_file():
        raise ModelError(f"no such file: {path}; {_REMEDY}")
    if read_content(path, remedy=_REMEDY).get("task", EMOTION) == EMOTION:
        return read_typed(StressResults, path, number=FORMAT, remedy=_REMEDY)
    return read_typed(ScoreStressResults, path, number=FORMAT, remedy=_REMEDY)

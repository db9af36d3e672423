"""Tasks: what a model predicts for an utterance, a class or a score.

``emotion`` is one of the classes of a taxonomy. Every other task is a score on a scale: the sentiment of CMU-MOSEI, and
the attributes that IEMOCAP's raters gave in addition to the emotion. Splits are made for one task, and hold the
utterances that have a label for it. Loss, head, metrics and prediction columns depend on the task.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

TaskName = Literal["emotion", "sentiment", "valence", "activation", "dominance"]
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
EMOTION: Literal["emotion"] = "emotion"
# The tasks whose labels are scores.
ScoreTask = Literal["sentiment", "valence", "activation", "dominance"]
# A task in params.yaml: ``auto`` is the usual one of the corpus.
TaskChoice = Literal["auto", "emotion", "sentiment", "valence", "activation", "dominance"]


@dataclass(frozen=True)
class Classification:
    """The choice of one class.

    Attributes:
        classes: The classes in the order of the logits.
        name: Name of the task.
        column: Column of the manifest with the labels.
    """

    classes: tuple[str, ...]
    name: TaskName = "emotion"
    column: str = "emotion"

    @property
    def outputs(self) -> int:
        """Number of outputs of a model: one logit per class."""
        return len(self.classes)

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups that figures and counts show: the classes."""
        return self.classes

    def group(self, label: str) -> str:
        """Return the group of a label: the class itself."""
        return label

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures of development data besides the loss: UA and WA."""
        return "dev_ua", "dev_wa"

    @property
    def monitors(self) -> tuple[str, ...]:
        """Those of them that may choose the epoch."""
        return ("dev_ua",)


@dataclass(frozen=True)
class Regression:
    """A score on a scale.

    Attributes:
        name: Name of the task.
        column: Column of the manifest with the labels.
        low: Lowest value of the scale.
        high: Highest value of the scale.
    """

    name: ScoreTask
    column: str
    low: float
    high: float

    @property
    def outputs(self) -> int:
        """Number of outputs of a model: the score."""
        return 1

    @property
    def middle(self) -> float:
        """Middle of the scale."""
        return (self.low + self.high) / 2

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups that figures and counts show: the whole numbers of the scale, the lowest first."""
        return tuple(str(step) for step in range(math.ceil(self.low), math.floor(self.high) + 1))

    def group(self, label: float) -> str:
        """Return the group of a label: the nearest whole number; of two, the even one."""
        return str(round(label))

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures of development data besides the loss: mean absolute error, and two correlations."""
        return "dev_mae", "dev_ccc", "dev_pearson"

    @property
    def monitors(self) -> tuple[str, ...]:
        """Those of them that may choose the epoch."""
        return "dev_mae", "dev_ccc"


Task = Classification | Regression

# The scales of the raters: CMU-MOSEI's sentiment, and IEMOCAP's self-assessment manikins.
SCALES: dict[TaskName, Regression] = {
    "sentiment": Regression("sentiment", "sentiment", low=-3, high=3),
    "valence": Regression("valence", "valence", low=1, high=5),
    "activation": Regression("activation", "activation", low=1, high=5),
    "dominance": Regression("dominance", "dominance", low=1, high=5),
}


def task_of(name: TaskName, *, classes: tuple[str, ...]) -> Task:
    """Return the task of a name.

    Args:
        name: Name of the task.
        classes: Classes of the corpus's taxonomy, for ``emotion``.
    """
    return Classification(classes) if name == "emotion" else SCALES[name]

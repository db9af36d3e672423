"""Tasks: the thing that a model learns to tell of an utterance, a class or a score.

``emotion`` is one of the classes of a taxonomy. Every other task is a score on a scale: the sentiment of CMU-MOSEI, and
the attributes that IEMOCAP's raters gave beside the emotion. Splits are made for one task, and hold the utterances that
have a label for it. Loss, head, metrics and prediction columns follow the task.
"""

from dataclasses import dataclass
from typing import Literal, get_args

TaskName = Literal["emotion", "sentiment", "valence", "activation", "dominance"]
TASK_NAMES: tuple[TaskName, ...] = get_args(TaskName)
EMOTION: Literal["emotion"] = "emotion"
# The tasks whose labels are scores.
ScoreTask = Literal["sentiment", "valence", "activation", "dominance"]


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

"""One condition of the suite: a change of the input, and how much it may cost a model.

Shapes: n samples, U utterances.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from merflow.contracts.streams import Modality
from merflow.contracts.task import Regression, Task

Family = Literal["telephone", "noise", "room", "level", "codec", "tempo", "edges", "transcripts", "missing"]


@dataclass(frozen=True)
class SoundChange:
    """A change to every recording that a model hears, including those of neighbouring turns.

    Attributes:
        change: ``(n,)`` float32 at 16 kHz and a random generator -> ``(m,)`` float32 at 16 kHz.
        needs: Optional package that it imports; empty for none.
    """

    change: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    needs: str = ""


@dataclass(frozen=True)
class WordsChange:
    """A change to the words of the tested utterances; neighbouring turns keep theirs.

    Attributes:
        change: Words and emotions (or steps of the scale) of all U utterances and a generator -> their new words.
        leaves_nothing: True if no words are left, so only models with another modality can be tested.
    """

    change: Callable[[Sequence[str], Sequence[str], np.random.Generator], list[str]]
    leaves_nothing: bool = False


@dataclass(frozen=True)
class Removal:
    """The removal of a modality, also from neighbouring turns."""

    modality: Modality


@dataclass(frozen=True)
class Condition:
    """A change to the input, and its limits.

    Attributes:
        name: Its name with its level, such as ``noise-10dB``.
        family: The kind of change. Conditions of a family are ordered from mild to severe.
        description: The change in a few words, with its unit.
        change: The change itself.
        allowed_drop: Drop of UA or CCC that the change may cost, 0 to 1.
        min_unchanged: Share of predictions that should stay the same, 0 to 1.
        description_of_scores: The change in a few words if the labels are scores; empty for ``description``.
    """

    name: str
    family: Family
    description: str
    change: SoundChange | WordsChange | Removal
    allowed_drop: float
    min_unchanged: float
    description_of_scores: str = ""

    def of_task(self, task: Task) -> "Condition":
        """Return the condition with its description for a task."""
        if isinstance(task, Regression) and self.description_of_scores:
            return replace(self, description=self.description_of_scores)
        return self

    @property
    def modality(self) -> Modality:
        """The modality that it changes."""
        if isinstance(self.change, Removal):
            return self.change.modality
        return "audio" if isinstance(self.change, SoundChange) else "text"

    def applies_to(self, modalities: Collection[Modality]) -> bool:
        """Return True if a model that reads these modalities can be tested with it."""
        leaves_nothing = isinstance(self.change, Removal) or (
            isinstance(self.change, WordsChange) and self.change.leaves_nothing
        )
        return self.modality in modalities and not (leaves_nothing and len(modalities) == 1)

"""What a fold's training is made of: a list of stages, each with its recipe, its model and its data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import nn

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.recipe import Recipe


class Source(Protocol):
    """Utterances that can be made into what a stage's model is called on: batches, or raw batches."""

    @property
    def lengths(self) -> np.ndarray:
        """``(len,)`` int64 steps of each utterance's longest stream, for bucketing."""
        ...

    @property
    def labels(self) -> np.ndarray | None:
        """``(len,)`` int64 class indices, or None where an utterance has none."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """The utterances at these positions, padded."""
        ...


@dataclass(frozen=True)
class Material:
    """What a stage works with.

    Attributes:
        model: Called on what the sources yield; gives an ``Output``. Its state dict is what a stage learns.
        train: Labelled utterances to learn from.
        dev: Labelled utterances to choose the epoch on.
        test: Labelled utterances for the shadow selection alone (``training.shadow``); None for none.
    """

    model: nn.Module
    train: Source
    dev: Source
    test: Source | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        recipe: How it is optimised, and when it ends.
        open: Gives its material when the stage begins, or is resumed. A later stage's model holds the modules of the
            stage before, so that it starts from its best weights.
    """

    recipe: Recipe
    open: Callable[[], Material]

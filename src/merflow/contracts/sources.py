"""Sources of batches: utterances that are turned into batches on demand."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from merflow.contracts.batch import Batch, RawBatch


class UtteranceSource(Protocol):
    """Utterances that training, prediction and inspection read batch by batch.

    Its batches are :class:`RawBatch` where encoders run inside the model's graph, and :class:`Batch` everywhere else.
    """

    @property
    def lengths(self) -> np.ndarray:
        """``(len,)`` int64 steps in each utterance's longest stream; utterances are grouped into batches by it."""
        ...

    @property
    def labels(self) -> np.ndarray | None:
        """``(len,)`` int64 class indices or float32 scores, or None if any utterance is unlabelled."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """Return the utterances with these indices, padded to the longest stream of each role."""
        ...


class BatchSource(UtteranceSource, Protocol):
    """A source whose utterances are already encoded, so that a model without encoders can read them."""

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the utterances with these indices, padded to the longest stream of each role."""
        ...

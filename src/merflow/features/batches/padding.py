"""Entries of different lengths as one padded batch.

Shapes: N utterances, K places of each (steps, or turns around it).
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from merflow.features.batches.standardize import Scale

# Halves are widened and standardised in pieces of about so much, which stay in the processor's cache between the two.
_PIECE_BYTES = 1 << 20


class Blanks:
    """Memory for one batch after another.

    Fresh memory comes as pages that the system makes zeros of at their first touch. For a batch of all layers of a
    large encoder that costs as much as its values, and on a busy virtual machine several times a training step. So an
    array is given out again, once nothing holds the batch that was made in it. There are two of them: one batch is made
    while the one before is in use.
    """

    def __init__(self) -> None:
        self._given: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """Float32 values that are to be written."""
        size = int(np.prod(shape))
        for array in self._given:
            # The list holds it, the loop, and the call's argument; a tensor over it, or over a part, would do so, too.
            if array.size >= size and sys.getrefcount(array) <= 3:
                return array[:size].reshape(shape)
        fresh = np.empty(size, dtype=np.float32)  # from NumPy, which asks for large pages
        self._given = sorted([*self._given, fresh], key=len)[-2:]
        return fresh.reshape(shape)


class Piece(NamedTuple):
    """Steps of an entry and where in the batch they go.

    Attributes:
        utterance: 0 to N - 1.
        first: The place of the first step.
        steps: ``(T, *entry_shape)`` float16.
    """

    utterance: int
    first: int
    steps: np.ndarray


def padded(
    pieces: Sequence[Piece],
    *,
    present: np.ndarray,
    entry_shape: tuple[int, ...],
    scale: Scale | None,
    blanks: Blanks,
) -> Tensor:
    """``(N, K, *entry_shape)`` float32, standardised, and zeros where nothing is present.

    Args:
        pieces: In the order of their utterances; together they fill what is present.
        present: ``(N, K)`` bool.
        entry_shape: ``(D,)`` or ``(L, D)``.
        scale: What to standardise by; none for values as they are.
        blanks: Gives the memory.
    """
    utterances, places = present.shape
    values = blanks.empty((utterances, places, *entry_shape))
    flat = values.reshape(utterances * places, *entry_shape)
    together = max(1, _PIECE_BYTES // (2 * int(np.prod(entry_shape))))
    halves = np.empty((min(together, len(flat)), *entry_shape), dtype=np.float16)
    following = iter(pieces)
    piece = next(following, None)
    for start in range(0, len(flat), together):
        target = torch.from_numpy(flat[start : start + together])
        while piece is not None and (first := piece.utterance * places + piece.first - start) < together:
            part = piece.steps[max(0, -first) : together - first]
            halves[max(0, first) : max(0, first) + len(part)] = part
            if first + len(piece.steps) > together:
                break  # and goes on in the next block
            piece = next(following, None)
        target.copy_(torch.from_numpy(halves[: len(target)]))
        if scale is not None:
            scale.apply_(target)
    if not present.all():
        values[~present] = 0.0
    return torch.from_numpy(values)

"""Sequences of different lengths as one padded batch.

Shapes: N utterances, K positions of each (steps, or turns around it).
"""

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from merflow.features.batches.standardize import Scale

# Half-precision values are widened and standardized in blocks of about this size, so that a block stays in the
# processor's cache between the two.
_BLOCK_BYTES = 1 << 20


class Blanks:
    """Memory that is reused from batch to batch.

    The system fills fresh memory with zeros page by page when it is first touched. For a batch with all layers of a
    large encoder that takes as long as writing its values, and on a busy virtual machine several times as long as a
    training step. So an array is handed out again as soon as nothing references the batch that was made in it. There
    are two arrays, because one batch is made while the previous one is in use.
    """

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an uninitialized float32 array."""
        size = int(np.prod(shape))
        for array in self._arrays:
            # Three references are the list's, the loop's and the call's own; a tensor over the array would be a fourth.
            if array.size >= size and sys.getrefcount(array) <= 3:
                return array[:size].reshape(shape)
        fresh = np.empty(size, dtype=np.float32)  # from NumPy, which requests large pages
        self._arrays = sorted([*self._arrays, fresh], key=len)[-2:]
        return fresh.reshape(shape)


class Piece(NamedTuple):
    """Steps of an entry and their position in the batch.

    Attributes:
        utterance: Index of the utterance, 0 to N - 1.
        first: Position of the first step.
        steps: ``(T, *entry_shape)`` float16.
    """

    utterance: int
    first: int
    steps: np.ndarray


def padded_rows(
    rows: np.ndarray,
    *,
    turns: bool,
    steps: np.ndarray,
    entries: Callable[[Sequence[int]], list[np.ndarray]],
    entry_shape: tuple[int, ...],
    scale: Scale | None,
    blanks: Blanks,
) -> tuple[Tensor, Tensor]:
    """Return the entries of these rows as one padded batch.

    Args:
        rows: ``(N, 1)`` rows, or ``(N, K)`` rows of each utterance's turns, -1 for turns that do not exist.
        turns: True if each utterance is a sequence of turns of one step; False if it is the steps of its row.
        steps: ``(rows,)`` int64 steps of each row; 0 if it has no entry.
        entries: Returns the entries ``(T, *entry_shape)`` float16 of some rows that have one.
        entry_shape: ``(D,)`` or ``(L, D)``.
        scale: Scale to standardize by; None to leave values as they are.
        blanks: Provides the memory.

    Returns:
        Features ``(N, K, *entry_shape)`` float32, and the mask ``(N, K)`` bool.
    """
    present = (rows >= 0) & (step_offsets(rows, steps=steps, turns=turns) < steps[rows])
    begins = present if turns else present[:, :1]  # a sequence is one piece
    positions = np.argwhere(begins).tolist()
    pieces = [
        Piece(utterance, first, entry)
        for (utterance, first), entry in zip(positions, entries(rows[begins].tolist()), strict=True)
    ]
    values = padded(pieces, present=present, entry_shape=entry_shape, scale=scale, blanks=blanks)
    return values, torch.from_numpy(present)


def step_offsets(rows: np.ndarray, *, steps: np.ndarray, turns: bool) -> np.ndarray:
    """Return the step within its row at each position: ``(1, 1)`` zeros for turns, else ``(1, K)``.

    K is at least 1, so that a batch in which all utterances lack the modality still has a step.
    """
    if turns:
        return np.zeros((1, 1), dtype=np.int64)
    return np.arange(max(1, int(steps[rows].max(initial=0))))[None]


def padded(
    pieces: Sequence[Piece],
    *,
    present: np.ndarray,
    entry_shape: tuple[int, ...],
    scale: Scale | None,
    blanks: Blanks,
) -> Tensor:
    """Return ``(N, K, *entry_shape)`` float32, standardized, with zeros wherever nothing is present.

    Args:
        pieces: Pieces in the order of their utterances; together they fill all positions that are present.
        present: ``(N, K)`` bool.
        entry_shape: ``(D,)`` or ``(L, D)``.
        scale: Scale to standardize by; None to leave values as they are.
        blanks: Provides the memory.
    """
    utterances, positions = present.shape
    values = blanks.empty((utterances, positions, *entry_shape))
    flat = values.reshape(utterances * positions, *entry_shape)
    block = max(1, _BLOCK_BYTES // (2 * int(np.prod(entry_shape))))
    halves = np.empty((min(block, len(flat)), *entry_shape), dtype=np.float16)
    remaining = iter(pieces)
    piece = next(remaining, None)
    for start in range(0, len(flat), block):
        target = torch.from_numpy(flat[start : start + block])
        while piece is not None and (first := piece.utterance * positions + piece.first - start) < block:
            part = piece.steps[max(0, -first) : block - first]
            halves[max(0, first) : max(0, first) + len(part)] = part
            if first + len(piece.steps) > block:
                break  # it continues in the next block
            piece = next(remaining, None)
        target.copy_(torch.from_numpy(halves[: len(target)]))
        if scale is not None:
            scale.apply_(target)
    if not present.all():
        values[~present] = 0.0
    return torch.from_numpy(values)

"""Entries of different lengths as one padded batch.

Shapes: N utterances, K places of each (steps, or turns around it).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from merflow.features.standardize import Scale

# Halves are widened and standardised in pieces of about so much, which stay in the processor's cache between the two.
_PIECE_BYTES = 1 << 20


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
    pieces: Sequence[Piece], *, present: np.ndarray, entry_shape: tuple[int, ...], scale: Scale | None
) -> Tensor:
    """``(N, K, *entry_shape)`` float32, standardised, and zeros where nothing is present.

    Args:
        pieces: In the order of their utterances; together they fill what is present.
        present: ``(N, K)`` bool.
        entry_shape: ``(D,)`` or ``(L, D)``.
        scale: What to standardise by; none for values as they are.
    """
    utterances, places = present.shape
    # From NumPy, which asks for large pages: the first touch of a fresh batch costs more than all arithmetic on it.
    values = np.empty((utterances, places, *entry_shape), dtype=np.float32)
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

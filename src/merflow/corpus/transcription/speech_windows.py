"""Recordings in the windows of limited length that a speech recogniser hears."""

import numpy as np

from merflow.corpus.samples import RATE_HZ

_BLOCK = RATE_HZ // 100  # 10 ms
_PAUSE_BLOCKS = 20  # a cut lies in the middle of the quietest 200 ms


def windows(samples: np.ndarray, *, longest: int) -> list[np.ndarray]:
    """The recording in one piece, or cut into pieces of at most ``longest`` samples that neither overlap nor lack any.

    A cut lies where the speaker is quietest between half a window and a whole one (a sixth of a window is always left
    for the next piece), so that it rarely goes through a word and no word is heard twice: pieces are transcribed by
    themselves and their texts joined by a space.
    """
    pieces: list[np.ndarray] = []
    while len(samples) > longest:
        cut = _quietest(samples, first=longest // 2, last=min(longest, len(samples) - longest // 6))
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def _quietest(samples: np.ndarray, *, first: int, last: int) -> int:
    """The middle of the quietest 200 ms whose middle lies in ``[first, last]``; the latest of equals."""
    half = _BLOCK * _PAUSE_BLOCKS // 2
    span = samples[max(first - half, 0) : last + half].astype(np.float64)
    n_blocks = len(span) // _BLOCK
    if n_blocks < _PAUSE_BLOCKS:
        return last
    energy = np.square(span[: n_blocks * _BLOCK]).reshape(n_blocks, _BLOCK).sum(axis=1)
    pauses = np.convolve(energy, np.ones(_PAUSE_BLOCKS), mode="valid")
    quietest = len(pauses) - 1 - int(np.argmin(pauses[::-1]))
    return min(max(first - half, 0) + quietest * _BLOCK + half, last)

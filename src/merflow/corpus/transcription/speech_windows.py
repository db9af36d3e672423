"""Cuts of a long recording into windows for a speech recognizer."""

import numpy as np

from merflow.corpus.samples import RATE_HZ

_BLOCK = RATE_HZ // 100  # 10 ms
_PAUSE_BLOCKS = 20  # a cut lies in the middle of the quietest 200 ms


def windows(samples: np.ndarray, *, longest: int) -> list[np.ndarray]:
    """Cut a recording into pieces of at most ``longest`` samples, without gaps or overlaps.

    A cut lies where the speaker is quietest between half a window and a whole one, so that it rarely splits a word.
    At least a sixth of a window is left for the next piece. Each piece is transcribed alone, and the texts are joined
    by a space.
    """
    pieces: list[np.ndarray] = []
    while len(samples) > longest:
        cut = quietest(samples, first=longest // 2, last=min(longest, len(samples) - longest // 6))
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def quietest(samples: np.ndarray, *, first: int, last: int) -> int:
    """Return the sample at which speech is best cut: the middle of the quietest 200 ms, of equals the latest.

    Args:
        samples: 16 kHz mono, ``(n,)``.
        first: First sample at which the middle may be.
        last: Last one.
    """
    half = _BLOCK * _PAUSE_BLOCKS // 2
    span = samples[max(first - half, 0) : last + half].astype(np.float64)
    n_blocks = len(span) // _BLOCK
    if n_blocks < _PAUSE_BLOCKS:
        return last
    energy = np.square(span[: n_blocks * _BLOCK]).reshape(n_blocks, _BLOCK).sum(axis=1)
    pauses = np.convolve(energy, np.ones(_PAUSE_BLOCKS), mode="valid")
    quietest = len(pauses) - 1 - int(np.argmin(pauses[::-1]))
    return min(max(first - half, 0) + quietest * _BLOCK + half, last)

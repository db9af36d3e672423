"""Recordings that were cut too tightly or too loosely.

Shapes: n samples.
"""

from collections.abc import Callable

import numpy as np

from merflow.corpus.samples import RATE_HZ

# A short answer loses at most this share of its length at each end; otherwise nothing would be left to judge.
_MOST_SHARE = 0.2


def trimmed(seconds: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change that cuts this many seconds off each end."""

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        cut = min(round(seconds * RATE_HZ), int(_MOST_SHARE * len(samples)))
        return samples[cut : len(samples) - cut].astype(np.float32)

    return change


def surrounded_by_silence(seconds: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change that adds this many seconds of digital silence at each end."""

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        silence = np.zeros(round(seconds * RATE_HZ), dtype=np.float32)
        return np.concatenate([silence, samples.astype(np.float32), silence])

    return change

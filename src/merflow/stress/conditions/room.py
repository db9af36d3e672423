"""Reverberation of a room.

Shapes: n samples.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import fftconvolve

from merflow.corpus.samples import RATE_HZ

# The first reflection arrives this long after the direct sound: a detour of about a metre.
_FIRST_REFLECTION_S = 0.003
# The talker is where direct and reverberant sound are equally strong, a metre or two away in an office.
DIRECT_TO_REVERBERANT_DB = 0.0


def reverberant(rt60_s: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change that puts the speaker into a room; the recording keeps its length and its power.

    Args:
        rt60_s: Time in which the reverberation falls by 60 dB, in seconds.
    """

    def change(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        heard = fftconvolve(samples.astype(np.float64), impulse_response(rt60_s, rng))[: len(samples)]
        power = float(np.mean(heard**2))
        scale = np.sqrt(float(np.mean(samples.astype(np.float64) ** 2)) / power) if power else 1.0
        return np.asarray(scale * heard, dtype=np.float32)

    return change


def impulse_response(rt60_s: float, rng: np.random.Generator) -> np.ndarray:
    """Return the response of a room: the direct sound, then noise whose level falls by 60 dB in ``rt60_s``."""
    seconds = np.arange(round(rt60_s * RATE_HZ)) / RATE_HZ
    tail = rng.standard_normal(len(seconds)) * 10 ** (-3 * seconds / rt60_s)
    tail[seconds < _FIRST_REFLECTION_S] = 0.0
    tail *= 10 ** (-DIRECT_TO_REVERBERANT_DB / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail)

"""Slower and faster speech at the same pitch.

The method is WSOLA (Verhelst and Roelands 1993): frames of the recording are overlapped at a different spacing, and
each is shifted slightly so that it continues the waveform of the previous one.

Shapes: n samples, F samples per frame.
"""

from collections.abc import Callable

import numpy as np

from merflow.corpus.samples import RATE_HZ

# 40 ms contain two periods of a 50 Hz voice; frames may move by 10 ms, one period of 100 Hz, in either direction.
_FRAME = RATE_HZ * 40 // 1000
_HOP = _FRAME // 2
_REACH = RATE_HZ * 10 // 1000
_WINDOW = np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME) ** 2  # windows half a frame apart sum to 1


def spoken_at(rate: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change of the speaking rate.

    Args:
        rate: New rate relative to the old one: at 1.1, a recording of 1.1 s lasts 1 s.
    """

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        return _stretched(samples.astype(np.float64), rate)

    return change


def _stretched(samples: np.ndarray, rate: float) -> np.ndarray:
    """Return ``(round(n / rate),)`` float32."""
    length = max(1, round(len(samples) / rate))
    ahead = _REACH + _HOP  # zeros before the recording, so that no frame begins before it
    frames = length // _HOP + 2
    behind = round(frames * _HOP * rate) + 2 * (_FRAME + _REACH)
    padded = np.concatenate([np.zeros(ahead), samples, np.zeros(max(0, behind - len(samples)))])
    made = np.zeros((frames + 1) * _HOP)
    start = _REACH  # of the frame that is centred on the first sample
    made[:_FRAME] += _WINDOW * padded[start : start + _FRAME]
    for number in range(1, frames):
        continuation = padded[start + _HOP : start + _HOP + _FRAME]
        earliest = round(number * _HOP * rate)  # the frame's place in the recording, less the reach
        region = padded[earliest : earliest + _FRAME + 2 * _REACH]
        start = earliest + int(np.argmax(np.correlate(region, continuation, mode="valid")))
        made[number * _HOP : number * _HOP + _FRAME] += _WINDOW * padded[start : start + _FRAME]
    return made[_HOP : _HOP + length].astype(np.float32)

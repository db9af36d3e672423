"""Frames of a recording on WavLM's grid, and the relevant range of levels.

Shapes: n samples at 16 kHz, T steps, K columns.
"""

import math

import numpy as np

# Window and hop of WavLM's convolutions in samples: 6 s give 299 steps.
WINDOW = 400
HOP = 320
# Smallest power, so that the logarithm of silence is finite.
FLOOR = 1e-8

LOUD = 95  # percentile of the steps that counts as loud
LEVELS_RANGE = 50 / 10 * math.log(10)  # 50 dB as the natural logarithm of a power


def frames(samples: np.ndarray, window: int, *, pad: int = 0) -> np.ndarray:
    """Return ``(T, window)`` float64, one row per hop; a recording shorter than a window is padded with zeros."""
    padded = np.pad(samples.astype(np.float64), (pad, pad + max(0, WINDOW - len(samples))))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP]


def loud(values: np.ndarray) -> float:
    """Return the value of a recording's loud steps, given one value per step ``(T,)``."""
    return float(np.percentile(values, LOUD))


def floored(logs: np.ndarray) -> np.ndarray:
    """Floor logarithms of power ``(T, K)`` at a fixed range below the recording's loud steps."""
    return np.asarray(np.maximum(logs, loud(logs.max(axis=1)) - LEVELS_RANGE))

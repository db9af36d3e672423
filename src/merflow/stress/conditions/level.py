"""Recordings that are too quiet, too loud, or clipped.

Shapes: n samples.
"""

from collections.abc import Callable

import numpy as np


def amplified(gain_db: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change of the level by ``gain_db``; what exceeds full scale is cut off, as a converter would."""
    factor = 10 ** (gain_db / 20)

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        return np.asarray(np.clip(samples * factor, -1.0, 1.0), dtype=np.float32)

    return change


def clipped(share: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change that cuts the peaks off without any change of level.

    Args:
        share: Share of the samples that are cut, 0 to 1.
    """

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        peak = float(np.quantile(np.abs(samples), 1 - share))
        return np.asarray(np.clip(samples, -peak, peak), dtype=np.float32)

    return change

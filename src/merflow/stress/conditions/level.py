"""Recordings that are too quiet, too loud, or clipped.

Shapes: n samples.
"""

from collections.abc import Callable

import numpy as np


def amplified(gain_db: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change of the level by ``gain_db``; values beyond full scale are clipped, as by a converter."""
    factor = 10 ** (gain_db / 20)

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        return np.asarray(np.clip(samples * factor, -1.0, 1.0), dtype=np.float32)

    return change


def clipped(share: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change that clips the peaks without changing the level.

    Args:
        share: Share of the samples that are clipped, 0 to 1.
    """

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        peak = float(np.quantile(np.abs(samples), 1 - share))
        return np.asarray(np.clip(samples, -peak, peak), dtype=np.float32)

    return change

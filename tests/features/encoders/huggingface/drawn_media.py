"""Recordings and films of drawn numbers, for encoders."""

import numpy as np


def recordings(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [(0.1 * random.standard_normal(n) + 0.02).astype(np.float32) for n in lengths]


def films(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (n, 240, 360, 3), dtype=np.uint8) for n in lengths]

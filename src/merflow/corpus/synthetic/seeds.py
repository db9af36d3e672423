"""Random numbers that depend on their purpose, never on the order in which they are drawn."""

import zlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return the generator for a purpose, for example ``generator(0, "voice", "Ses01F_impro01_F000")``."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in purpose)])

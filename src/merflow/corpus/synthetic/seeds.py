"""Random numbers that depend on what they are for, never on the order in which they are asked for."""

import zlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """A generator of its own for this purpose, e.g. ``generator(0, "voice", "Ses01F_impro01_F000")``."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in purpose)])

"""The level of speech in a recording, without pauses.

Shapes: n samples.
"""

import numpy as np

from merflow.corpus.samples import RATE_HZ

# Blocks of 20 ms hold a few periods of any voice. Those within 30 dB of the loud ones (95th percentile) are speech.
_BLOCK = RATE_HZ // 50
_BELOW_LOUD_DB = 30.0


def speech_power(samples: np.ndarray) -> float:
    """Return the mean square of the blocks with speech in ``(n,)``; 0 for silence."""
    samples = samples.astype(np.float64)
    if len(samples) < _BLOCK:
        return float(np.mean(samples**2))
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    powers = np.mean(blocks**2, axis=1)
    loud = float(np.percentile(powers, 95))
    return float(powers[powers >= loud * 10 ** (-_BELOW_LOUD_DB / 10)].mean()) if loud > 0 else 0.0

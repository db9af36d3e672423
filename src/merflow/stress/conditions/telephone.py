"""A telephone line: 300 to 3400 Hz, 8 kHz, eight bits per sample.

Shapes: n samples.
"""

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from merflow.corpus.samples import RATE_HZ

# The voice band of ITU-T G.712, and the compression of ITU-T G.711 (mu-law).
LOW_HZ, HIGH_HZ = 300.0, 3400.0
LINE_RATE_HZ = 8000
_MU = 255.0
_LEVELS = 127  # on either side of zero
# Twelve poles: more than 20 dB down an octave below the band, like the filters of a telephone line.
_ORDER = 6


def telephone(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Return ``(n,)`` as heard through a telephone line, resampled to 16 kHz."""
    ratio = RATE_HZ // LINE_RATE_HZ
    line = resample_poly(samples.astype(np.float64), 1, ratio)
    band = butter(_ORDER, (LOW_HZ, HIGH_HZ), btype="bandpass", fs=LINE_RATE_HZ, output="sos")
    heard = _companded(np.clip(sosfilt(band, line), -1.0, 1.0))
    return np.asarray(resample_poly(heard, ratio, 1)[: len(samples)], dtype=np.float32)


def _companded(samples: np.ndarray) -> np.ndarray:
    """Round to the levels of eight-bit mu-law."""
    compressed = np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU)
    coded = np.round(compressed * _LEVELS) / _LEVELS
    return np.asarray(np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU)

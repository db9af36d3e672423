"""Measurements of each step of a recording: MFCC, level and loudness, spectral shape, pitch and voice quality.

These are the low-level descriptors of paralinguistics. Spectrum and level are floored 50 dB below the recording's loud
parts, so that room noise matters little.

Matrix products use einsum instead of BLAS: at this size BLAS threads cost more than they save, and their number changes
the last bits of a result.

Shapes: n samples at 16 kHz, T steps, F bins of the spectrum, B mel bands, C cepstral coefficients, M measurements.
"""

import math
from functools import lru_cache

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.features.encoders.lite.frames import FLOOR, WINDOW, floored, frames, loud
from merflow.features.encoders.lite.voice import voice

COEFFICIENTS = 13  # C
# Names of the columns, in order.
NAMES = (
    *(f"MFCC {number}" for number in range(1, COEFFICIENTS + 1)),
    *("level", "level below loud", "loudness", "loudness below loud"),
    *("centroid", "spread", "flatness", "entropy", "flux", "alpha ratio", "Hammarberg index", "tilt"),
    *("slope to 500 Hz", "slope to 1500 Hz", "slope to 5 kHz", "roll-off 25%", "roll-off 50%", "roll-off 75%"),
    *("roll-off 90%", "zero crossings", "pitch", "voicing", "jitter", "shimmer", "harmonicity", "H1-H2", "H1-A3"),
)

FFT = 512
HERTZ = np.fft.rfftfreq(FFT, 1 / RATE_HZ)
AUDIBLE = 30 / 10 * math.log(10)  # steps up to 30 dB below the loud ones can be voiced
COMPRESSION = 0.23  # exponent of loudness (H. Hermansky, 1990, rounded)
SLOPES_HZ = ((0, 500), (500, 1500), (1500, 5000))
ROLLOFFS = (0.25, 0.5, 0.75, 0.9)


def measure(samples: np.ndarray, *, bands: int) -> np.ndarray:
    """Return the measurements ``(T, M)`` float64 in the order of :data:`NAMES`.

    Only the level and the loudness of a step depend on the recording's gain.
    """
    waves = frames(samples, WINDOW)  # (T, 400)
    power = np.abs(np.fft.rfft(waves * np.hanning(WINDOW), n=FFT)) ** 2 + FLOOR  # (T, F)
    mel = np.einsum("tf,fb->tb", power, mel_filters(bands))  # (T, B)
    level = floored(np.log(np.mean(waves**2, axis=1, keepdims=True) + FLOOR))[:, 0]
    loudness = (mel**COMPRESSION).sum(axis=1)
    return np.column_stack(
        [
            np.einsum("tb,bc->tc", floored(np.log(mel)), cosines(bands)),
            *(level, level - loud(level), loudness, loudness / loud(loudness)),
            *_shape(power),
            np.log(np.diff(np.signbit(waves), axis=1).mean(axis=1) + 0.01),
            *voice(samples, audible=level > loud(level) - AUDIBLE),
        ]
    )


def _shape(power: np.ndarray) -> list[np.ndarray]:
    """Return the columns from the centroid to the roll-offs for power ``(T, F)``, ``(T,)`` each."""
    logs = floored(np.log(power))
    power = np.exp(logs)  # (T, F)
    total = power.sum(axis=1)
    shares = power / total[:, None]
    centroid = np.einsum("tf,f->t", shares, HERTZ)
    spread = np.sqrt(np.einsum("tf,tf->t", shares, (HERTZ - centroid[:, None]) ** 2))
    form = np.sqrt(shares)
    flux = np.linalg.norm(np.diff(form, axis=0, prepend=form[:1]), axis=1)
    reached = np.cumsum(shares, axis=1)
    octaves = np.log2(HERTZ[4:])
    return [
        *(np.log(centroid), np.log(spread + 1)),
        *(logs.mean(axis=1) - np.log(power.mean(axis=1)), -(shares * np.log(shares)).sum(axis=1), flux),
        np.log(_band(power, 50, 1000).sum(axis=1) / _band(power, 1000, 5000).sum(axis=1)),
        _band(logs, 0, 2000).max(axis=1) - _band(logs, 2000, 5000).max(axis=1),
        _slope_over(octaves, logs[:, 4:]),
        *(_slope_over(_band(HERTZ[None], low, high)[0] / 1000, _band(logs, low, high)) for low, high in SLOPES_HZ),
        *(np.log(HERTZ[np.argmax(reached >= share, axis=1)] + HERTZ[1]) for share in ROLLOFFS),
    ]


def _band(columns: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the bins of ``(T, F)`` between two frequencies."""
    return columns[:, (low <= HERTZ) & (high > HERTZ)]


def _slope_over(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the regression slope ``(T,)`` of values ``(T, K)`` over places ``(K,)``."""
    centred = places - places.mean()
    return np.asarray(np.einsum("tk,k->t", values, centred) / (centred**2).sum())


@lru_cache(maxsize=8)
def cosines(bands: int) -> np.ndarray:
    """Return the cosine transform ``(B, C)`` from log-mel bands to cepstral coefficients without the zeroth."""
    middles = np.arange(bands) + 0.5
    return np.cos(np.pi / bands * np.outer(middles, np.arange(1, COEFFICIENTS + 1))) * math.sqrt(2 / bands)


@lru_cache(maxsize=8)
def mel_filters(bands: int) -> np.ndarray:
    """Return triangular filters ``(F, B)`` between 60 Hz and 7.6 kHz, each with sum 1 over the spectrum's bins."""
    edges = np.linspace(_mel(60.0), _mel(7600.0), bands + 2)
    mels = np.array([_mel(hertz) for hertz in HERTZ])[:, None]
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    filters = np.maximum(np.minimum(rising, falling), 0.0)
    sums = filters.sum(axis=0)
    scaled: np.ndarray = filters / np.where(sums > 0, sums, 1.0)
    return scaled


def _mel(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)

"""Low-level descriptors of a recording, frame by frame, from which functionals are computed.

Frames are 25 ms long, one every 10 ms; those for the voice are 50 ms long around the same centers, because the lowest
voice needs three periods. Shapes: F frames, B mel bands, K bins of the spectrum.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.fft import dct, irfft, rfft

from merflow.corpus.samples import RATE_HZ

HOP = 160
FRAMES_PER_S = RATE_HZ / HOP
_WINDOW, _VOICE_WINDOW = 400, 800
_FFT, _VOICE_FFT = 512, 2048
_BANDS, _CEPSTRA = 26, 13
_FLOOR = 1e-10  # power below the noise of 16 bit samples
_EMPHASIS = 0.97

# The range of voices, from a low man's to an excited child's.
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 500.0
# Correlation of a frame with itself one period later: 1 for a pure tone, about 0 for noise. The threshold is Praat's.
_VOICED = 0.45
# A period and its double correlate equally well. This cost per octave prefers the shorter one; it is also Praat's.
_OCTAVE_COST = 0.01
_MEDIAN = 5  # frames over which single octave errors are smoothed out
_ROLLOFFS = (0.25, 0.5, 0.85, 0.95)


@dataclass(frozen=True)
class Descriptors:
    """Descriptors of one recording.

    Attributes:
        spectral: ``(F, D)``: energy, mel bands, cepstra and the shape of the spectrum, of every frame.
        voice: ``(F, V)``: pitch, harmonicity, jitter and shimmer; meaningless in unvoiced frames.
        voiced: ``(F,)`` True where there is voice.
    """

    spectral: np.ndarray
    voice: np.ndarray
    voiced: np.ndarray


def descriptors(samples: np.ndarray) -> Descriptors:
    """Compute the descriptors of a recording ``(n,)`` at 16 kHz; one that is shorter than two frames is padded."""
    samples = samples.astype(np.float64)
    if len(samples) < _VOICE_WINDOW + HOP:
        samples = np.pad(samples, (0, _VOICE_WINDOW + HOP - len(samples)))
    samples = samples - samples.mean()
    spectral, energy_db = _spectral(_frames(samples, _WINDOW))
    voice, voiced = _voice(_frames(samples, _VOICE_WINDOW), energy_db)
    return Descriptors(spectral, voice, voiced)


def _frames(samples: np.ndarray, length: int) -> np.ndarray:
    """Return frames ``(F, length)`` around centers that do not depend on the length; the ends are padded with zeros."""
    padded = np.pad(samples, (length // 2, length // 2))
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::HOP][: 1 + len(samples) // HOP]


def _spectral(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the spectral descriptors ``(F, D)`` and the energy in dB ``(F,)``."""
    energy_db = 10 * np.log10(np.mean(frames**2, axis=1) + _FLOOR)
    crossings = np.mean(np.signbit(frames[:, 1:]) != np.signbit(frames[:, :-1]), axis=1)
    window = np.hanning(_WINDOW)
    power = np.abs(rfft(frames * window, _FFT)) ** 2 / _WINDOW + _FLOOR  # (F, K)
    emphasized = frames - _EMPHASIS * np.pad(frames[:, :-1], ((0, 0), (1, 0)))
    bands = np.log(np.abs(rfft(emphasized * window, _FFT)) ** 2 / _WINDOW @ _mel_bands().T + _FLOOR)  # (F, B)
    cepstra = dct(bands, type=2, norm="ortho", axis=1)[:, 1 : _CEPSTRA + 1]
    return np.column_stack([energy_db, crossings, bands, cepstra, _shape(power)]), energy_db


def _shape(power: np.ndarray) -> np.ndarray:
    """Return the shape of power spectra ``(F, K)``: moments, rolloffs, flux, entropy, flatness, and balances in dB."""
    hz = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)
    share = power / power.sum(axis=1, keepdims=True)
    center = share @ hz
    away = hz[None, :] - center[:, None]
    spread = np.sqrt((share * away**2).sum(axis=1)) + 1.0
    skewness = (share * away**3).sum(axis=1) / spread**3
    kurtosis = (share * away**4).sum(axis=1) / spread**4
    below = np.cumsum(share, axis=1)
    rolloffs = [hz[np.minimum((below < part).sum(axis=1), len(hz) - 1)] for part in _ROLLOFFS]
    root = np.sqrt(share)
    flux = np.pad(np.linalg.norm(np.diff(root, axis=0), axis=1), (1, 0))
    entropy = -(share * np.log(share)).sum(axis=1)
    level_db = 10 * np.log10(power)
    flatness = level_db.mean(axis=1) - 10 * np.log10(power.mean(axis=1))

    def band(low: float, high: float) -> np.ndarray:
        return power[:, (hz >= low) & (hz < high)]

    alpha_db = 10 * np.log10(band(50, 1000).sum(axis=1) / band(1000, 5000).sum(axis=1))
    hammarberg_db = 10 * np.log10(band(0, 2000).max(axis=1) / band(2000, 5000).max(axis=1))
    slopes = [_slope(level_db[:, inside], hz[inside] / 1000) for inside in (hz < 500, (hz >= 500) & (hz < 1500))]
    columns = [center, spread, skewness, kurtosis, *rolloffs, flux, entropy, flatness, alpha_db, hammarberg_db, *slopes]
    return np.column_stack(columns)


def _slope(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the regression slope ``(F,)`` of values ``(F, k)`` over ``(k,)``."""
    centered = at - at.mean()
    slope: np.ndarray = values @ centered / np.square(centered).sum()
    return slope


@cache
def _mel_bands() -> np.ndarray:
    """Return triangular filters ``(B, K)``, evenly spaced in mel from 20 Hz to 8 kHz."""
    low_mel, high_mel = (2595 * float(np.log10(1 + edge / 700)) for edge in (20.0, RATE_HZ / 2))
    edges = 700 * (10 ** (np.linspace(low_mel, high_mel, _BANDS + 2) / 2595) - 1)
    hz = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)
    low, peak, high = (edges[start : start + _BANDS, None] for start in range(3))
    filters: np.ndarray = np.clip(np.minimum((hz - low) / (peak - low), (high - hz) / (high - peak)), 0.0, None)
    return filters


def _voice(frames: np.ndarray, energy_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors of the voice ``(F, V)``, and True for voiced frames ``(F,)``."""
    period, correlation = _periods(frames)
    voiced = (correlation > _VOICED) & (energy_db > energy_db.max() - 40)
    pitch = 12 * np.log2(RATE_HZ / period / 27.5)  # semitones above the lowest A of a piano
    pitch = _smoothed(np.where(voiced, pitch, np.nan))
    pitch = np.where(voiced, pitch, 0.0)
    bounded = np.clip(correlation, 1e-3, 1 - 1e-4)
    harmonicity_db = 10 * np.log10(bounded / (1 - bounded))
    jitter, shimmer_db = (np.abs(np.diff(values, prepend=values[0])) for values in (pitch, energy_db))
    after_voice = voiced & np.pad(voiced[:-1], (1, 0))
    jitter, shimmer_db = (np.where(after_voice, values, 0.0) for values in (jitter, shimmer_db))
    return np.column_stack([pitch, correlation, harmonicity_db, jitter, shimmer_db]), voiced


def _periods(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return period in samples and correlation ``(F,)`` of the most periodic voice in each frame.

    The autocorrelation of a windowed frame falls with the lag; divided by the window's own, it does not (Boersma 1993).
    """
    window = np.hanning(_VOICE_WINDOW)
    lags = np.arange(int(RATE_HZ / _HIGHEST_HZ) - 1, int(RATE_HZ / _LOWEST_HZ) + 2)

    def correlations(values: np.ndarray) -> np.ndarray:
        raw = irfft(np.abs(rfft(values, _VOICE_FFT)) ** 2, _VOICE_FFT)
        normalized: np.ndarray = raw[:, [0, *lags]] / (raw[:, :1] + _FLOOR)
        return normalized

    of_window = correlations(window[None, :])
    normal = (correlations((frames - frames.mean(axis=1, keepdims=True)) * window) / of_window)[:, 1:]
    peaks = (normal[:, 1:-1] >= normal[:, :-2]) & (normal[:, 1:-1] > normal[:, 2:])
    inner = lags[1:-1]
    scores = np.where(peaks, normal[:, 1:-1] - _OCTAVE_COST * np.log2(inner / inner[0])[None, :], -np.inf)
    best = scores.argmax(axis=1)
    rows = np.arange(len(frames))
    before, at, after = (normal[rows, best + shift] for shift in range(3))
    bend = before - 2 * at + after
    shift = np.where(np.abs(bend) > 1e-12, 0.5 * (before - after) / np.where(bend == 0, 1.0, bend), 0.0)
    found = np.isfinite(scores.max(axis=1))
    period = np.where(found, inner[best] + np.clip(shift, -0.5, 0.5), inner[-1])
    return period, np.where(found, np.clip(at, 0.0, 1.0), 0.0)


def _smoothed(pitch: np.ndarray) -> np.ndarray:
    """Return the running median of pitch ``(F,)`` over the voiced frames, NaN elsewhere."""
    half = _MEDIAN // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(pitch, half, constant_values=np.nan), _MEDIAN)
    voiced = ~np.isnan(pitch)
    smoothed = np.full_like(pitch, np.nan)
    smoothed[voiced] = np.nanmedian(windows[voiced], axis=1)
    return smoothed

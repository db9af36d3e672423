"""Pitch, voicing and voice quality of each step, from the autocorrelation and the peaks of 40 ms of audio.

Pitch follows P. Boersma (1993): the autocorrelation of windowed frames is divided by the window's own. Jitter and
shimmer compare three consecutive peaks around the middle of a step. Steps without voice take the interpolated values of
the voiced steps around them, so that statistics over steps describe the voice alone.

Shapes: T steps, w = 640 samples of a frame, F bins of its spectrum.
"""

from dataclasses import dataclass

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.features.encoders.lite.frames import FLOOR, WINDOW, frames

FRAME = 640
FFT = 1024
_LOW_HZ, _HIGH_HZ = 62.5, 500.0
LAGS = np.arange(int(RATE_HZ / _HIGH_HZ), int(RATE_HZ / _LOW_HZ) + 1)
VOICED = 0.45
OCTAVE_COST = 0.03
LONGEST = 200.0  # samples; three peaks of a longer period do not fit into a frame
MOST_JITTER, MOST_SHIMMER = 0.5, 2.0
FORMANT_HZ = (2000.0, 3500.0)  # the third formant lies here


@dataclass(frozen=True)
class Pitch:
    """The periodicity of each step.

    Attributes:
        period: ``(T,)`` samples per period, between samples where the peak is.
        strength: ``(T,)`` in [0, 1], 1 for a perfectly periodic sound.
        waves: ``(T, w)`` samples without their mean.
        spectrum: ``(T, F)`` power of the windowed samples.
    """

    period: np.ndarray
    strength: np.ndarray
    waves: np.ndarray
    spectrum: np.ndarray


def voice(samples: np.ndarray, *, audible: np.ndarray) -> list[np.ndarray]:
    """Return pitch, voicing, jitter, shimmer, harmonicity, H1-H2 and H1-A3 of each step, ``(T,)`` each.

    Pitch is in octaves above 100 Hz and voicing in [0, 1]. Jitter is relative to the period; the others are natural
    logarithms of ratios.

    Args:
        samples: The recording.
        audible: ``(T,)``, True at steps that are loud enough to be voiced.
    """
    pitch = _periodicity(samples, steps=len(audible))
    voiced = (pitch.strength > VOICED) & audible
    jitter, shimmer = _perturbation(pitch)
    share = np.clip(pitch.strength, 1e-3, 1 - 1e-4)
    octaves = np.log2(RATE_HZ / pitch.period / 100.0)
    first, second, formant = _harmonics(pitch)
    return [
        _median(_across_unvoiced(octaves, voiced)),
        pitch.strength,
        *(
            _across_unvoiced(values, voiced)
            for values in (jitter, shimmer, np.log(share / (1 - share)), first - second, first - formant)
        ),
    ]


def _periodicity(samples: np.ndarray, *, steps: int) -> Pitch:
    """Find the lag with the highest autocorrelation; each octave down costs a little, to avoid half the pitch."""
    window = np.hanning(FRAME)
    waves = frames(samples, FRAME, pad=(FRAME - WINDOW) // 2)[:steps]
    waves = waves - waves.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(waves * window, n=FFT)) ** 2
    of_frames, of_window = np.fft.irfft(spectrum), np.fft.irfft(np.abs(np.fft.rfft(window, n=FFT)) ** 2)
    lags = np.append(LAGS, LAGS[-1] + 1)
    normal = (of_frames[:, lags] / (of_frames[:, :1] + FLOOR)) / (of_window[lags] / of_window[0])  # (T, lags + 1)
    best = np.argmax(normal[:, :-1] - OCTAVE_COST * np.log2(LAGS / LAGS[0]), axis=1)
    row = np.arange(steps)
    before, at, after = normal[row, np.maximum(best - 1, 0)], normal[row, best], normal[row, best + 1]
    period = LAGS[best] + np.where(best > 0, _vertex(before, at, after), 0.0)
    return Pitch(period, np.clip(at, 0.0, 1.0), waves, spectrum)


def _perturbation(pitch: Pitch) -> tuple[np.ndarray, np.ndarray]:
    """Return jitter and shimmer, the differences of consecutive periods in length and in height, ``(T,)`` each."""
    steps, size = pitch.waves.shape
    period = np.minimum(pitch.period, LONGEST)[:, None]
    upward = np.abs(pitch.waves.max(axis=1)) >= np.abs(pitch.waves.min(axis=1))
    waves = np.where(upward[:, None], pitch.waves, -pitch.waves)
    inner = np.where((np.arange(size) > 0) & (np.arange(size) < size - 1), waves, -np.inf)
    places, heights = [], []
    low, high = (size - 3 * period) / 2, (size - period) / 2
    for _ in range(3):
        near = (np.arange(size) >= low) & (np.arange(size) < high)
        peak = np.clip(np.argmax(np.where(near, inner, -np.inf), axis=1), 1, size - 2)
        before, at, after = (waves[np.arange(steps), peak + offset] for offset in (-1, 0, 1))
        places.append((peak + _vertex(before, at, after))[:, None])
        heights.append(np.log(np.maximum(at, 1e-9)))
        low, high = places[-1] + 0.75 * period, places[-1] + 1.25 * period
    jitter = np.abs(places[2] - 2 * places[1] + places[0]) / period
    shimmer = (np.abs(heights[1] - heights[0]) + np.abs(heights[2] - heights[1])) / 2
    return np.minimum(jitter[:, 0], MOST_JITTER), np.minimum(shimmer, MOST_SHIMMER)


def _harmonics(pitch: Pitch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the log power of the first and the second harmonic, and the highest near the third formant."""
    logs = np.log(pitch.spectrum + FLOOR)
    bins = np.arange(-2, 3)  # a harmonic is as wide as the window's main lobe

    def highest(hertz: np.ndarray) -> np.ndarray:
        near = np.clip(np.round(hertz * FFT / RATE_HZ).astype(int)[:, None] + bins, 1, logs.shape[1] - 1)
        return np.asarray(np.take_along_axis(logs, near, axis=1).max(axis=1))

    first, last = (round(hertz * FFT / RATE_HZ) for hertz in FORMANT_HZ)
    pitch_hz = RATE_HZ / pitch.period
    return highest(pitch_hz), highest(2 * pitch_hz), logs[:, first:last].max(axis=1)


def _vertex(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the place of the highest point of a parabola through three values, in [-0.5, 0.5] from the middle."""
    bend = before - 2 * at + after
    curved = bend < -1e-12
    return np.where(curved, np.clip(0.5 * (before - after) / np.where(curved, bend, -1.0), -0.5, 0.5), 0.0)


def _across_unvoiced(values: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Replace values of unvoiced steps by interpolation; zeros where nothing is voiced."""
    known = np.flatnonzero(voiced)
    return np.interp(np.arange(len(values)), known, values[known]) if len(known) else np.zeros(len(values))


def _median(values: np.ndarray) -> np.ndarray:
    """Return the running median of five, which removes single octave errors."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 2, mode="edge"), 5)
    return np.asarray(np.median(windows, axis=1))

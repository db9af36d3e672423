"""Speech features without a neural network: spectrum, pitch, energy and voice quality, 50 steps per second.

The columns of a step are local means and local deviations of frame measurements. Emotion shows in both: in the pitch,
loudness and brightness of a voice, and in how much and how fast they change. A model that averages over steps thus sees
both.

Matrix products use einsum instead of BLAS: at this size BLAS threads cost more than they save, and their number changes
the last bits of a result.

Shapes: n samples at 16 kHz, T steps, L layers, B mel bands, M = B + 8 measurements,
D = 3 M columns.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import Field

from merflow.contracts.streams import StreamShape
from merflow.contracts.strict import Strict
from merflow.corpus.samples import RATE_HZ
from merflow.features.encoders.interface import Prepared

# Window and hop of WavLM's convolutions in samples: 6 s give 299 steps.
WINDOW = 400
HOP = 320
_FFT = 512
_PITCH_WINDOW = 640
_PITCH_FFT = 1024
_PITCH_LOW_HZ, _PITCH_HIGH_HZ = 62.5, 500.0
_VOICED = 0.45
_OCTAVE_COST = 0.03
_FLOOR = 1e-8  # smallest power, so that the logarithm of silence is finite
_LOUD = 95  # percentile of the steps that counts as loud
_RANGE = 50 / 10 * math.log(10)  # 50 dB as the natural logarithm of a power
_PROSODY = 8  # pitch, voicing, level, and five of brightness


class LiteSpeechSettings(Strict):
    """Settings of ``lite-speech``.

    Attributes:
        mel_bands: B, mel bands between 60 Hz and 7.6 kHz.
        window_s: Span of the local means and deviations, in seconds.
    """

    mel_bands: int = Field(ge=8, le=80)
    window_s: float = Field(gt=0)


class LiteSpeechLayersSettings(Strict):
    """Settings of ``lite-speech-layers``.

    Attributes:
        mel_bands: B, mel bands between 60 Hz and 7.6 kHz.
        layers: L, the number of views, from the shortest span to the longest.
        window_s: Span of the first view, in seconds.
        growth: Factor from one view's span to the next.
    """

    mel_bands: int = Field(ge=8, le=80)
    layers: int = Field(ge=1)
    window_s: float = Field(gt=0)
    growth: float = Field(gt=1)


class LiteSpeech:
    """Samples -> ``(T, D)``: local means and deviations over one span."""

    def __init__(self, settings: LiteSpeechSettings) -> None:
        self._settings = settings
        self.shape = StreamShape(layers=None, width=_width(settings.mel_bands))

    def prepare(self, source: np.ndarray) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        measured = measure(source, bands=self._settings.mel_bands)
        return _finished(view(measured, span_s=self._settings.window_s))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per recording."""
        return [prepared.values for prepared in batch]


class LiteSpeechLayers:
    """Samples -> ``(T, L, D)``: the same columns over spans from syllables to the whole utterance."""

    def __init__(self, settings: LiteSpeechLayersSettings) -> None:
        self._settings = settings
        self._spans_s = [settings.window_s * settings.growth**layer for layer in range(settings.layers)]
        self.shape = StreamShape(layers=settings.layers, width=_width(settings.mel_bands))

    def prepare(self, source: np.ndarray) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        measured = measure(source, bands=self._settings.mel_bands)
        return _finished(np.stack([view(measured, span_s=span_s) for span_s in self._spans_s], axis=1))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per recording."""
        return [prepared.values for prepared in batch]


def view(measured: np.ndarray, *, span_s: float) -> np.ndarray:
    """Return mean and standard deviation in a window centred on each step, cut at the ends.

    Args:
        measured: ``(T, 2 M)`` measurements; see :func:`measure`.
        span_s: Length of the window in seconds.

    Returns:
        ``(T, 3 M)`` float32: means of the measurements, their deviations, and the deviations of their slopes. The
        means of slopes are left out, because they depend on little but the ends of the window.
    """
    steps = len(measured)
    reach = max(1, round(span_s * RATE_HZ / HOP / 2))
    low = np.maximum(np.arange(steps) - reach, 0)
    high = np.minimum(np.arange(steps) + reach + 1, steps)
    count = (high - low)[:, None]
    centre = measured.mean(axis=0)
    centred = measured - centre  # small numbers, so that the variance does not cancel
    sums, squares = (np.vstack([np.zeros_like(x[:1]), np.cumsum(x, axis=0)]) for x in (centred, centred**2))
    mean = (sums[high] - sums[low]) / count
    variance = (squares[high] - squares[low]) / count - mean**2
    statics = measured.shape[1] // 2
    return np.hstack([(mean + centre)[:, :statics], np.sqrt(np.maximum(variance, 0.0))]).astype(np.float32)


def measure(samples: np.ndarray, *, bands: int) -> np.ndarray:
    """Return spectral shape, pitch, voicing, level and brightness, then the slopes of all: ``(T, 2 M)`` float64.

    Spectrum and level are floored 50 dB below the recording's loud parts, so that room noise matters little. The
    spectrum is relative to each step's mean over bands, so that only one column depends on the level.
    """
    frames = _frames(samples, WINDOW, pad=0)  # (T, 400)
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), n=_FFT)) ** 2 + _FLOOR  # (T, 257)
    log_mel = _floored(np.log(np.einsum("tf,fb->tb", power, _mel_filters(bands))))  # (T, B)
    level = _floored(np.log(np.mean(frames**2, axis=1, keepdims=True) + _FLOOR))
    shape = log_mel - log_mel.mean(axis=1, keepdims=True)
    statics = np.column_stack([shape, *_pitch(samples, steps=len(frames)), level, *_brightness(power)])
    return np.hstack([statics, _slope(statics)])


def _finished(array: np.ndarray) -> Prepared:
    return Prepared(array, cost=max(1, len(array)))


def _width(bands: int) -> int:
    return 3 * (bands + _PROSODY)


def _frames(samples: np.ndarray, window: int, *, pad: int) -> np.ndarray:
    """Return ``(T, window)`` float64, one row per hop; a recording shorter than a window is padded with zeros."""
    padded = np.pad(samples.astype(np.float64), (pad, pad + max(0, WINDOW - len(samples))))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP]


def _floored(logs: np.ndarray) -> np.ndarray:
    """Floor logarithms of power ``(T, K)`` at a fixed range below the recording's loud steps."""
    floor = np.percentile(logs.max(axis=1), _LOUD) - _RANGE
    return np.asarray(np.maximum(logs, floor))


def _brightness(power: np.ndarray) -> list[np.ndarray]:
    """Return centroid, low-to-high balance, tilt, flatness and flux, each ``(T,)``."""
    hertz = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)
    logs = _floored(np.log(power))
    floored = np.exp(logs)  # (T, 257)
    total = floored.sum(axis=1)
    centroid = np.log(np.einsum("tf,f->t", floored, hertz) / total)
    low, high = (floored[:, (hertz >= a) & (hertz < b)].sum(axis=1) for a, b in ((50, 1000), (1000, 5000)))
    balance = np.log(low / high)
    octaves = np.log2(hertz[4:]) - np.log2(hertz[4:]).mean()
    tilt = np.einsum("tf,f->t", logs[:, 4:], octaves) / (octaves**2).sum()
    flatness = logs.mean(axis=1) - np.log(floored.mean(axis=1))
    form = np.sqrt(floored / total[:, None])
    flux = np.linalg.norm(np.diff(form, axis=0, prepend=form[:1]), axis=1)
    return [centroid, balance, tilt, flatness, flux]


def _pitch(samples: np.ndarray, *, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pitch in octaves above 100 Hz, interpolated across unvoiced steps, and the voicing in [0, 1].

    The autocorrelation of Hann-windowed frames is divided by the window's own (P. Boersma, 1993). Each octave down
    costs a little, which keeps the search from falling to half the pitch.
    """
    window = np.hanning(_PITCH_WINDOW)
    frames = _frames(samples, _PITCH_WINDOW, pad=(_PITCH_WINDOW - WINDOW) // 2)[:steps]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * window
    lags = np.arange(int(RATE_HZ / _PITCH_HIGH_HZ), int(RATE_HZ / _PITCH_LOW_HZ) + 1)
    of_window = _autocorrelation(window[None])
    of_frames = _autocorrelation(frames)
    normal = (of_frames[:, lags] / (of_frames[:, :1] + _FLOOR)) / (of_window[:, lags] / of_window[:, :1])  # (T, lags)
    best = np.argmax(normal - _OCTAVE_COST * np.log2(lags / lags[0]), axis=1)
    voicing = np.clip(normal[np.arange(steps), best], 0.0, 1.0)
    octaves = np.log2(RATE_HZ / lags[best] / 100.0)
    voiced = np.flatnonzero(voicing > _VOICED)
    if not len(voiced):
        return np.zeros(steps), voicing
    return _median(np.interp(np.arange(steps), voiced, octaves[voiced])), voicing


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    spectrum = np.abs(np.fft.rfft(frames, n=_PITCH_FFT)) ** 2
    return np.asarray(np.fft.irfft(spectrum))


def _median(values: np.ndarray) -> np.ndarray:
    """Return the running median of five, which removes single octave errors."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 2, mode="edge"), 5)
    return np.asarray(np.median(windows, axis=1))


def _slope(values: np.ndarray) -> np.ndarray:
    """Return the regression slope over five steps (the usual delta), ``(T, M)``."""
    padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    slope: np.ndarray = (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10
    return slope


@lru_cache(maxsize=8)
def _mel_filters(bands: int) -> np.ndarray:
    """Return triangular filters ``(257, B)`` between 60 Hz and 7.6 kHz, each with sum 1 over the spectrum's bins."""
    edges = np.linspace(_mel(60.0), _mel(7600.0), bands + 2)
    mels = np.array([_mel(hertz) for hertz in np.fft.rfftfreq(_FFT, 1 / RATE_HZ)])[:, None]
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    filters = np.maximum(np.minimum(rising, falling), 0.0)
    sums = filters.sum(axis=0)
    scaled: np.ndarray = filters / np.where(sums > 0, sums, 1.0)
    return scaled


def _mel(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)

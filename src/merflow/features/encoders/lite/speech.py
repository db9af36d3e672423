"""Speech features without a neural network: measurements at each step, and their variation around it.

Emotion shows in pitch, loudness, brightness and voice quality, and in how much and how fast they change. So a column is
a statistic of one measurement over a span of time: its mean, standard deviation, trend, and the standard deviations of
its first and second derivatives. Over a whole recording these statistics are the functionals of paralinguistics, on
which linear classifiers do well. Every step also carries those of the whole recording, much as every step of a
pretrained encoder sees its context, so that a mean over steps keeps them.

Shapes: n samples at 16 kHz, T steps, L layers, M measurements, D = 5 M columns, twice as many for ``lite-speech``.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from merflow.contracts.streams import StreamShape
from merflow.contracts.strict import Strict
from merflow.corpus.samples import RATE_HZ
from merflow.features.encoders.interface import Prepared
from merflow.features.encoders.lite.frames import HOP
from merflow.features.encoders.lite.measurements import NAMES, measure

STATISTICS = 5


class LiteSpeechSettings(Strict):
    """Settings of ``lite-speech``.

    Attributes:
        mel_bands: B, mel bands between 60 Hz and 7.6 kHz, from which the cepstral coefficients are made.
        window_s: Span of the local statistics, in seconds.
    """

    mel_bands: int = Field(ge=8, le=80)
    window_s: float = Field(gt=0)


class LiteSpeechLayersSettings(Strict):
    """Settings of ``lite-speech-layers``.

    Attributes:
        mel_bands: B, mel bands between 60 Hz and 7.6 kHz, from which the cepstral coefficients are made.
        layers: L, the number of views, from the shortest span to the longest.
        window_s: Span of the first view, in seconds.
        growth: Factor from one view's span to the next.
    """

    mel_bands: int = Field(ge=8, le=80)
    layers: int = Field(ge=1)
    window_s: float = Field(gt=0)
    growth: float = Field(gt=1)


class LiteSpeech:
    """Samples -> ``(T, 2 D)``: statistics around each step, then those of the whole recording."""

    def __init__(self, settings: LiteSpeechSettings) -> None:
        self._settings = settings
        self.shape = StreamShape(layers=None, width=2 * STATISTICS * len(NAMES))

    def prepare(self, source: np.ndarray) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        measured = measure(source, bands=self._settings.mel_bands)
        return _finished(np.hstack([view(measured, span_s=self._settings.window_s), view(measured, span_s=None)]))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per recording."""
        return [prepared.values for prepared in batch]


class LiteSpeechLayers:
    """Samples -> ``(T, L, D)``: the same columns over spans from words to the whole recording."""

    def __init__(self, settings: LiteSpeechLayersSettings) -> None:
        self._settings = settings
        self._spans_s = [settings.window_s * settings.growth**layer for layer in range(settings.layers)]
        self.shape = StreamShape(layers=settings.layers, width=STATISTICS * len(NAMES))

    def prepare(self, source: np.ndarray) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        measured = measure(source, bands=self._settings.mel_bands)
        return _finished(np.stack([view(measured, span_s=span_s) for span_s in self._spans_s], axis=1))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per recording."""
        return [prepared.values for prepared in batch]


def view(measured: np.ndarray, *, span_s: float | None) -> np.ndarray:
    """Return statistics in a window centred on each step, cut at the ends of the recording.

    Args:
        measured: ``(T, M)``; see :func:`merflow.features.encoders.lite.measurements.measure`.
        span_s: Length of the window in seconds; None for the whole recording at every step.

    Returns:
        ``(T, D)`` float32: means, deviations, trends (covariances with time, which runs from -1 to 1 in the window),
        deviations of the slopes, and deviations of the slopes' slopes.
    """
    steps = np.arange(len(measured))
    reach = len(measured) if span_s is None else max(1, round(span_s * RATE_HZ / HOP / 2))
    low, high = np.maximum(steps - reach, 0), np.minimum(steps + reach + 1, len(measured))
    slopes = slope(measured)
    mean, deviation = _moments(measured, low, high)
    return np.hstack(
        [
            mean,
            deviation,
            _trend(measured, low, high),
            _moments(slopes, low, high)[1],
            _moments(slope(slopes), low, high)[1],
        ]
    ).astype(np.float32)


def slope(values: np.ndarray) -> np.ndarray:
    """Return the regression slope over five steps (the usual delta), ``(T, M)``."""
    padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    slopes: np.ndarray = (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10
    return slopes


def _moments(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation ``(T, M)`` of the steps from ``low`` up to ``high``, both ``(T,)``."""
    centre = values.mean(axis=0)
    centred = values - centre  # small numbers, so that the variance does not cancel
    mean, square = _means(centred, low, high), _means(centred**2, low, high)
    return mean + centre, np.sqrt(np.maximum(square - mean**2, 0.0))


def _trend(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the covariance ``(T, M)`` of values and time in each window; 0 in a window of one step."""
    centred = values - values.mean(axis=0)
    time = np.arange(len(values)) - len(values) / 2  # in steps
    covariance = _means(centred * time[:, None], low, high) - _means(centred, low, high) * _means(
        time[:, None], low, high
    )
    return np.asarray(covariance * 2 / np.maximum(high - low - 1, 1)[:, None])


def _means(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    sums = np.vstack([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    return np.asarray((sums[high] - sums[low]) / (high - low)[:, None])


def _finished(array: np.ndarray) -> Prepared:
    return Prepared(array, cost=max(1, len(array)))

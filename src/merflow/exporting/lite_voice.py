"""Pitch, voicing and voice quality as tensor operations; see :mod:`merflow.features.encoders.lite.voice`.

Shapes: n samples, T steps, w = 640 samples of a frame, F bins of its spectrum, K series.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from merflow.corpus.samples import RATE_HZ
from merflow.exporting.steps import constant, exact, frames, spectrum_maps
from merflow.features.encoders.lite import voice as numbers
from merflow.features.encoders.lite.frames import FLOOR, WINDOW

_SIZE = numbers.FRAME


class Voice(nn.Module):
    """Samples -> pitch, voicing, jitter, shimmer, harmonicity, H1-H2 and H1-A3, ``(T,)`` float64 each."""

    def __init__(self) -> None:
        super().__init__()
        window = np.hanning(_SIZE)
        cosines, sines = spectrum_maps(window, size=numbers.FFT)
        lags = np.append(numbers.LAGS, numbers.LAGS[-1] + 1)
        of_window = np.fft.irfft(np.abs(np.fft.rfft(window, n=numbers.FFT)) ** 2)
        for name, values in {
            "cosines": cosines,
            "sines": sines,
            "correlate": _correlation_map(np.append(0, lags)),
            "of_window": of_window[lags] / of_window[0],
            "octave_costs": numbers.OCTAVE_COST * np.log2(numbers.LAGS / numbers.LAGS[0]),
            "lags": numbers.LAGS,
        }.items():
            self.register_buffer(name, constant(values), persistent=False)

    def forward(self, samples: Tensor, *, audible: Tensor) -> list[Tensor]:
        """Return one series per measurement, for samples ``(n,)`` and ``audible`` ``(T,)``."""
        waves = frames(samples, _SIZE, pad=(_SIZE - WINDOW) // 2)
        waves = waves - waves.mean(dim=1, keepdim=True)
        spectrum = (waves @ self.get_buffer("cosines")) ** 2 + (waves @ self.get_buffer("sines")) ** 2  # (T, F)
        period, strength = self._periodicity(spectrum)
        jitter, shimmer = _perturbation(waves, period)
        share = torch.minimum(torch.maximum(strength, exact(1e-3)), exact(1 - 1e-4))
        octaves = torch.log(RATE_HZ / period / 100.0) / exact(math.log(2))
        first, second, formant = _harmonics(spectrum, period)
        series = [octaves, jitter, shimmer, torch.log(share / (1 - share)), first - second, first - formant]
        voiced = (strength > exact(numbers.VOICED)) & audible
        pitch, *others = _across_unvoiced(torch.stack(series, dim=1), voiced).unbind(dim=1)
        return [_median(pitch), strength, *others]

    def _periodicity(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples per period, and the strength of the periodicity, ``(T,)`` each."""
        correlated = spectrum @ self.get_buffer("correlate")  # (T, 1 + lags + 1)
        normal = (correlated[:, 1:] / (correlated[:, :1] + exact(FLOOR))) / self.get_buffer("of_window")
        best = torch.argmax(normal[:, :-1] - self.get_buffer("octave_costs"), dim=1, keepdim=True)
        before, at, after = (normal.gather(1, place)[:, 0] for place in ((best - 1).clamp(min=0), best, best + 1))
        best = best[:, 0]
        period = self.get_buffer("lags")[best] + torch.where(best > 0, _vertex(before, at, after), 0.0)
        return period, at.clamp(0.0, 1.0)


def _correlation_map(lags: np.ndarray) -> np.ndarray:
    """Return the map ``(F, lags)`` from a power spectrum to the autocorrelation at some lags."""
    bins = np.arange(numbers.FFT // 2 + 1)
    weights = np.where((bins == 0) | (bins == bins[-1]), 1.0, 2.0) / numbers.FFT
    return weights[:, None] * np.cos(2 * np.pi * (np.outer(bins, lags) % numbers.FFT) / numbers.FFT)


def _perturbation(waves: Tensor, period: Tensor) -> tuple[Tensor, Tensor]:
    """Return jitter and shimmer, ``(T,)`` each."""
    period = period.clamp(max=numbers.LONGEST)[:, None]
    upward = waves.amax(dim=1, keepdim=True).abs() >= waves.amin(dim=1, keepdim=True).abs()
    waves = torch.where(upward, waves, -waves)
    place = torch.arange(_SIZE)
    inner = torch.where((place > 0) & (place < _SIZE - 1), waves, -math.inf)
    places, heights = [], []
    low, high = (_SIZE - 3 * period) / 2, (_SIZE - period) / 2
    for _ in range(3):
        near = (place >= low) & (place < high)
        peak = torch.argmax(torch.where(near, inner, -math.inf), dim=1, keepdim=True).clamp(1, _SIZE - 2)
        before, at, after = (waves.gather(1, peak + offset) for offset in (-1, 0, 1))
        places.append(peak + _vertex(before, at, after))
        heights.append(torch.log(torch.maximum(at, exact(1e-9))))
        low, high = places[-1] + 0.75 * period, places[-1] + 1.25 * period
    jitter = (places[2] - 2 * places[1] + places[0]).abs() / period
    shimmer = ((heights[1] - heights[0]).abs() + (heights[2] - heights[1]).abs()) / 2
    return jitter[:, 0].clamp(max=numbers.MOST_JITTER), shimmer[:, 0].clamp(max=numbers.MOST_SHIMMER)


def _harmonics(spectrum: Tensor, period: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the log power of the first and the second harmonic, and the highest near the third formant."""
    logs = torch.log(spectrum + exact(FLOOR))
    bins = torch.arange(-2, 3)

    def highest(hertz: Tensor) -> Tensor:
        near = torch.round(hertz * numbers.FFT / RATE_HZ).long()[:, None] + bins
        return logs.gather(1, near.clamp(1, numbers.FFT // 2)).amax(dim=1)

    first, last = (round(hertz * numbers.FFT / RATE_HZ) for hertz in numbers.FORMANT_HZ)
    pitch_hz = RATE_HZ / period
    return highest(pitch_hz), highest(2 * pitch_hz), logs[:, first:last].amax(dim=1)


def _vertex(before: Tensor, at: Tensor, after: Tensor) -> Tensor:
    bend = before - 2 * at + after
    curved = bend < exact(-1e-12)
    found = (0.5 * (before - after) / torch.where(curved, bend, -1.0)).clamp(-0.5, 0.5)
    return torch.where(curved, found, 0.0)


def _across_unvoiced(series: Tensor, voiced: Tensor) -> Tensor:
    """Interpolate ``(T, K)`` over steps without voice; zeros where nothing is voiced."""
    steps = torch.arange(series.shape[0])
    rank = torch.cumsum(voiced.long(), dim=0)  # voiced steps up to this one
    known = torch.sort(torch.where(voiced, steps, steps[-1:])).values  # the voiced steps first
    before = known[(rank - 1).clamp(min=0)]
    after = known[torch.minimum(rank, rank[-1:] - 1).clamp(min=0)]
    gap = (after - before).clamp(min=1).double()[:, None]
    inside = (steps - before).clamp(min=0).double()[:, None]
    between = (series[after] - series[before]) / gap * torch.minimum(inside, gap) + series[before]
    return torch.where(voiced[:, None], series, between) * (rank[-1:] > 0).double()


def _median(values: Tensor) -> Tensor:
    """Return the running median of five."""
    first, last = values[:1], values[-1:]
    padded = torch.cat([first, first, values, last, last])
    count = values.shape[0]
    near = torch.stack([padded[shift : shift + count] for shift in range(5)], dim=1)
    return torch.sort(near, dim=1).values[:, 2]

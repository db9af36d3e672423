"""The lite speech front end as tensor operations, for ONNX: equal to :mod:`merflow.features.encoders.lite` in float64.

It uses products with the Fourier matrix instead of a fast Fourier transform, and no step whose output size depends on
the values. So the graph has few kinds of operators, all of which ONNX Runtime computes in float64.

Shapes: n samples at 16 kHz, at least 400; T steps, F bins of the spectrum, B mel bands, M measurements, D = 5 M
columns.
"""

import numpy as np
import torch
from torch import Tensor, nn

from merflow.corpus.samples import RATE_HZ
from merflow.exporting.lite_voice import Voice
from merflow.exporting.steps import constant, exact, frames, loud, spectrum_maps
from merflow.features.encoders.lite import measurements as numbers
from merflow.features.encoders.lite.frames import FLOOR, HOP, LEVELS_RANGE, WINDOW

_EVERYTHING = 2**40  # steps, longer than any recording


class LiteMeasurements(nn.Module):
    """Samples ``(n,)`` -> measurements ``(T, M)`` float64.

    See :func:`merflow.features.encoders.lite.measurements.measure`.

    Args:
        bands: Mel bands.
    """

    def __init__(self, *, bands: int) -> None:
        super().__init__()
        self.voice = Voice()
        cosines, sines = spectrum_maps(np.hanning(WINDOW), size=numbers.FFT)
        for name, values in {
            "cosines": cosines,
            "sines": sines,
            "hertz": numbers.HERTZ,
            "mel": numbers.mel_filters(bands),
            "cepstral": numbers.cosines(bands),
        }.items():
            self.register_buffer(name, constant(values), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return ``(T, M)``."""
        waves = frames(samples, WINDOW)  # (T, 400)
        power = (waves @ self.get_buffer("cosines")) ** 2 + (waves @ self.get_buffer("sines")) ** 2  # (T, F)
        power = power + exact(FLOOR)
        mel = power @ self.get_buffer("mel")  # (T, B)
        level = _floored(torch.log((waves**2).mean(dim=1, keepdim=True) + exact(FLOOR)))[:, 0]
        loudness = (mel ** exact(numbers.COMPRESSION)).sum(dim=1)
        columns = [
            level,
            level - loud(level),
            loudness,
            loudness / loud(loudness),
            *self._shape(power),
            torch.log(_crossings(waves) + exact(0.01)),
            *self.voice(samples, audible=level > loud(level) - exact(numbers.AUDIBLE)),
        ]
        return torch.cat([_floored(torch.log(mel)) @ self.get_buffer("cepstral"), torch.stack(columns, dim=1)], dim=1)

    def _shape(self, power: Tensor) -> list[Tensor]:
        """Return the columns from the centroid to the roll-offs, ``(T,)`` each."""
        hertz = self.get_buffer("hertz")
        logs = _floored(torch.log(power))
        power = torch.exp(logs)  # (T, F)
        shares = power / power.sum(dim=1, keepdim=True)
        centroid = shares @ hertz
        spread = torch.sqrt((shares * (hertz - centroid[:, None]) ** 2).sum(dim=1))
        form = torch.sqrt(shares)
        change = form - torch.cat([form[:1], form[:-1]])
        reached = torch.cumsum(shares, dim=1)
        entropy = -(shares * torch.log(shares)).sum(dim=1)
        return [
            torch.log(centroid),
            torch.log(spread + 1),
            logs.mean(dim=1) - torch.log(power.mean(dim=1)),
            entropy,
            torch.sqrt((change**2).sum(dim=1)),
            torch.log(_band(power, 50, 1000).sum(dim=1) / _band(power, 1000, 5000).sum(dim=1)),
            _band(logs, 0, 2000).amax(dim=1) - _band(logs, 2000, 5000).amax(dim=1),
            _slope_over(np.log2(numbers.HERTZ[4:]), logs[:, 4:]),
            *(
                _slope_over(numbers.HERTZ[_bins(low, high)] / 1000, _band(logs, low, high))
                for low, high in numbers.SLOPES_HZ
            ),
            *(
                torch.log(hertz[torch.argmax((reached >= exact(share)).to(torch.int32), dim=1)] + numbers.HERTZ[1])
                for share in numbers.ROLLOFFS
            ),
        ]


def view(measured: Tensor, *, span_s: float | None) -> Tensor:
    """Return statistics around each step, ``(T, D)`` float32, as :func:`merflow.features.encoders.lite.speech.view`."""
    count = measured.shape[0]
    steps = torch.arange(count)
    reach = _EVERYTHING if span_s is None else max(1, round(span_s * RATE_HZ / HOP / 2))
    low, high = (steps - reach).clamp(min=0), torch.minimum(steps + reach + 1, steps[-1:] + 1)
    slopes = _slope(measured)
    mean, deviation = _moments(measured, low, high)
    return torch.cat(
        [
            mean,
            deviation,
            _trend(measured, low, high),
            _moments(slopes, low, high)[1],
            _moments(_slope(slopes), low, high)[1],
        ],
        dim=1,
    ).float()


def _floored(logs: Tensor) -> Tensor:
    return torch.maximum(logs, loud(logs.amax(dim=1)) - exact(LEVELS_RANGE))


def _crossings(waves: Tensor) -> Tensor:
    """Return the share of neighbouring samples with opposite signs ``(T,)``; a negative zero counts as negative."""
    negative = torch.where(waves == 0, 1 / waves, waves) < 0
    return (negative[:, 1:] != negative[:, :-1]).double().mean(dim=1)


def _bins(low: float, high: float) -> slice:
    inside = np.flatnonzero((low <= numbers.HERTZ) & (high > numbers.HERTZ))
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _band(columns: Tensor, low: float, high: float) -> Tensor:
    return columns[:, _bins(low, high)]


def _slope_over(places: np.ndarray, values: Tensor) -> Tensor:
    centred = places - places.mean()
    return (values @ constant(centred)) / exact((centred**2).sum())


def _slope(values: Tensor) -> Tensor:
    """Return the regression slope over five steps, ``(T, M)``."""
    first, last = values[:1], values[-1:]
    padded = torch.cat([first, first, values, last, last])
    return (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10


def _moments(values: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    centre = values.mean(dim=0)
    centred = values - centre
    mean, square = _means(centred, low, high), _means(centred**2, low, high)
    return mean + centre, torch.sqrt((square - mean**2).clamp(min=0.0))


def _trend(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    centred = values - values.mean(dim=0)
    steps = torch.arange(values.shape[0]).double()
    time = (steps - (steps[-1:] + 1) / 2)[:, None]
    covariance = _means(centred * time, low, high) - _means(centred, low, high) * _means(time, low, high)
    return covariance * 2 / (high - low - 1).clamp(min=1).double()[:, None]


def _means(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    sums = torch.cat([torch.zeros_like(values[:1]), torch.cumsum(values, dim=0)])
    return (sums[high] - sums[low]) / (high - low).double()[:, None]

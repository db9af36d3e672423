"""Functionals: a recording of any length as one row of statistics over its low-level descriptors.

Statistics of the spectrum are over all frames and over the voiced ones, those of the voice over the voiced ones. All
are also taken over deltas, the slopes over five frames. An undefined value, such as the pitch of a whisper, is NaN.
"""

import numpy as np

from merflow.classics.descriptors import FRAMES_PER_S, descriptors

_PERCENTILES = (1, 20, 50, 80, 99)
_DELTA_REACH = 2  # frames on either side


def functionals(samples: np.ndarray) -> np.ndarray:
    """Return the functionals of a recording ``(n,)`` at 16 kHz."""
    frames = descriptors(samples)
    voiced = frames.voiced
    spectral, voice = frames.spectral, frames.voice
    return np.concatenate(
        [
            _statistics(spectral),
            _spreads(_deltas(spectral)),
            _means(spectral[voiced]),
            _statistics(voice[voiced]),
            _spreads(_deltas(voice)[voiced]),
            _rhythm(voiced, energy_db=spectral[:, 0]),
        ]
    )


def _statistics(values: np.ndarray) -> np.ndarray:
    """Return mean, deviation, skewness, percentiles, their ranges, slope per second and its residual, per column."""
    count, width = values.shape
    if count < 2:
        return np.full(width * (7 + len(_PERCENTILES)), np.nan)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    centered = values - mean
    skewness = (centered**3).mean(axis=0) / (deviation**3 + 1e-12)
    low, below, median, above, high = np.percentile(values, _PERCENTILES, axis=0)
    seconds = np.arange(count) / FRAMES_PER_S
    seconds -= seconds.mean()
    slope = seconds @ centered / np.square(seconds).sum()
    rest = np.sqrt(np.square(centered - seconds[:, None] * slope).mean(axis=0))
    percentiles = [low, below, median, above, high, above - below, high - low]
    return np.concatenate([mean, deviation, skewness, *percentiles, slope, rest])


def _spreads(deltas: np.ndarray) -> np.ndarray:
    """Return deviation, mean size, skewness and outer percentiles per column; the mean of deltas is about zero."""
    count, width = deltas.shape
    if count < 2:
        return np.full(width * 5, np.nan)
    deviation = deltas.std(axis=0)
    skewness = ((deltas - deltas.mean(axis=0)) ** 3).mean(axis=0) / (deviation**3 + 1e-12)
    return np.concatenate([deviation, np.abs(deltas).mean(axis=0), skewness, *np.percentile(deltas, (1, 99), axis=0)])


def _means(values: np.ndarray) -> np.ndarray:
    """Return mean and deviation per column."""
    if len(values) < 2:
        return np.full(2 * values.shape[1], np.nan)
    return np.concatenate([values.mean(axis=0), values.std(axis=0)])


def _deltas(values: np.ndarray) -> np.ndarray:
    """Return the regression slope over five frames, per column and frame."""
    padded = np.pad(values, ((_DELTA_REACH, _DELTA_REACH), (0, 0)), mode="edge")
    count = len(values)
    steps = range(1, _DELTA_REACH + 1)
    rises = [step * (padded[_DELTA_REACH + step :][:count] - padded[_DELTA_REACH - step :][:count]) for step in steps]
    slopes: np.ndarray = np.sum(rises, axis=0) / (2 * sum(step**2 for step in steps))
    return slopes


def _rhythm(voiced: np.ndarray, *, energy_db: np.ndarray) -> np.ndarray:
    """Return share and rate of voiced stretches, mean and deviation of their and the pauses' length, energy peaks."""
    seconds = len(voiced) / FRAMES_PER_S
    edges = np.flatnonzero(np.diff(np.pad(voiced.astype(np.int8), 1)))
    stretches = (edges[1::2] - edges[::2]) / FRAMES_PER_S
    pauses = (edges[2::2] - edges[1:-1:2]) / FRAMES_PER_S
    inner = energy_db[1:-1]
    peaks = (inner > energy_db[:-2]) & (inner >= energy_db[2:]) & (inner > energy_db.max() - 30)
    lengths = [_mean_and_deviation(values) for values in (stretches, pauses)]
    return np.array([voiced.mean(), len(stretches) / seconds, *lengths[0], *lengths[1], peaks.sum() / seconds])


def _mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    return (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)

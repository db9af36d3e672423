"""Voices made of harmonics, with a known pitch and known irregularities."""

import numpy as np

RATE_HZ = 16_000


def voice(pitch_hz: float, *, duration_s: float = 1.0, gain: float = 0.1) -> np.ndarray:
    """Return a steady voice whose harmonics fall off by 6 dB per octave, float32."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    harmonics = range(1, int(4_000 / pitch_hz))
    waves = [np.sin(2 * np.pi * k * pitch_hz * time_s) / k for k in harmonics]
    return np.asarray(gain * np.sum(waves, axis=0), dtype=np.float32)


def pulses(pitch_hz: float, *, jitter: float = 0.0, shimmer: float = 0.0) -> np.ndarray:
    """Return a second of pulses whose periods and heights alternate, float32.

    Args:
        pitch_hz: The mean pitch.
        jitter: Difference of consecutive periods, relative to their mean.
        shimmer: Difference of the natural logarithms of consecutive heights.
    """
    period_s = 1 / pitch_hz
    sign = np.where(np.arange(round(pitch_hz)) % 2, -0.5, 0.5)
    places_s = np.cumsum(period_s * (1 + jitter * sign))
    time_s = np.arange(RATE_HZ) / RATE_HZ
    wave = np.zeros(len(time_s))
    for place_s, height in zip(places_s, np.exp(shimmer * sign), strict=True):
        wave += 0.3 * height * np.exp(-(((time_s - place_s) / 0.0004) ** 2))
    return wave.astype(np.float32)

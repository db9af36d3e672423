"""A recording's log-mel spectrogram for display: 25 ms windows every 10 ms, as in speech recognition."""

import numpy as np

from merflow.corpus.samples import RATE_HZ

WINDOW = 400
HOP = 160
_FFT = 512
_FLOOR_DB = -80.0  # below the loudest point


def log_mel(samples: np.ndarray, *, bands: int = 64) -> np.ndarray:
    """Return decibels relative to the loudest point, from -80 to 0: ``(n,)`` at 16 kHz -> ``(T, bands)`` float64.

    Step t covers the 25 ms around ``t * 10 ms``; the recording is padded with silence at both ends.
    """
    padded = np.pad(samples.astype(np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), n=_FFT)) ** 2  # (T, 257)
    mel = power @ mel_filters(bands)
    loudest = max(float(mel.max()), 1e-12)
    return np.asarray(np.maximum(10 * np.log10(np.maximum(mel / loudest, 1e-30)), _FLOOR_DB))


def mel_filters(bands: int) -> np.ndarray:
    """Return triangles of height 1 between neighbouring mel frequencies from 0 to 8 kHz, ``(257, bands)``."""
    hertz = mel_frequencies(bands + 2)
    bins = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)[:, None]
    rising = (bins - hertz[:-2]) / (hertz[1:-1] - hertz[:-2])
    falling = (hertz[2:] - bins) / (hertz[2:] - hertz[1:-1])
    return np.asarray(np.clip(np.minimum(rising, falling), 0.0, None))


def mel_frequencies(count: int) -> np.ndarray:
    """Return frequencies from 0 to 8 kHz at equal mel steps, ``(count,)`` in Hz."""
    highest = 2595.0 * np.log10(1 + RATE_HZ / 2 / 700.0)
    return np.asarray(700.0 * (10 ** (np.linspace(0.0, highest, count) / 2595.0) - 1))

"""Functionals of merflow's own descriptors."""

import numpy as np

from merflow.classics.descriptors import descriptors
from merflow.classics.functionals import functionals
from merflow.corpus.samples import RATE_HZ


def _voice(hz: float, *, seconds: float = 1.0) -> np.ndarray:
    """Return a buzz of this pitch with twenty harmonics, between two pauses."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * hz * order * time_s) / order for order in range(1, 21))
    pause = np.zeros(RATE_HZ // 4)
    return np.concatenate([pause, 0.1 * np.asarray(buzz), pause]).astype(np.float32)


def test_pitch_is_found_over_the_range_of_voices() -> None:
    for hz in (80.0, 120.0, 220.0, 400.0):
        frames = descriptors(_voice(hz))
        found_hz = 27.5 * 2 ** (np.median(frames.voice[frames.voiced, 0]) / 12)
        assert abs(found_hz / hz - 1) < 0.01
        assert abs(frames.voiced.mean() - 1 / 1.5) < 0.06


def test_noise_is_unvoiced() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ)
    assert descriptors(noise).voiced.mean() < 0.05


def test_every_recording_has_the_same_number_of_functionals() -> None:
    recordings = [
        _voice(120),
        np.zeros(RATE_HZ),
        np.ones(3, dtype=np.float32),
        np.random.default_rng(0).normal(size=9000),
    ]
    rows = [functionals(each.astype(np.float32)) for each in recordings]
    assert len({len(row) for row in rows}) == 1
    assert not np.isinf(rows).any()
    assert not np.isnan(rows[0]).any()

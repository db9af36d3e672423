"""The outline of a recording: its extremes are kept, and its size has a limit."""

import numpy as np
import pytest

from merflow.corpus.samples import RATE_HZ
from merflow.serving.waveform import POINTS, Waveform


def outlined(samples: np.ndarray, *, points: int = POINTS, block: int = 4000) -> Waveform:
    waveform = Waveform(points)
    for start in range(0, len(samples), block):
        waveform.add(samples[start : start + block])
    return waveform


def test_a_short_recording_has_a_point_per_10_ms() -> None:
    samples = np.zeros(RATE_HZ + 80, dtype=np.float32)
    samples[1000], samples[1001], samples[-1] = 0.5, -0.25, 0.125
    outline = outlined(samples).outline()
    assert outline.shape == (101, 2)
    assert outline[6].tolist() == [-64, 127]
    assert outline[-1].tolist() == [0, 32]
    assert np.count_nonzero(outline) == 3


@pytest.mark.parametrize("seconds", [3, 40, 41, 130])
def test_a_long_recording_keeps_its_extremes_in_few_points(seconds: int) -> None:
    samples = np.random.default_rng(seconds).normal(0, 0.1, seconds * RATE_HZ).astype(np.float32)
    waveform = outlined(samples, points=512)
    outline = waveform.outline()
    assert 128 < len(outline) <= 513
    stretch = round(waveform.stretch_s * RATE_HZ)
    assert (len(outline) - 1) * stretch < len(samples) <= len(outline) * stretch
    loudest = np.abs(samples).max()
    for point in (0, 100, len(outline) - 1):
        part = samples[point * stretch : (point + 1) * stretch]
        assert outline[point].tolist() == [round(part.min() / loudest * 127), round(part.max() / loudest * 127)]


@pytest.mark.parametrize("block", [1, 159, 50_000])
def test_the_size_of_the_blocks_changes_nothing(block: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32)[: 3000 if block == 1 else None]
    expected = outlined(samples, points=64).outline()
    np.testing.assert_array_equal(outlined(samples, points=64, block=block).outline(), expected)


def test_silence_and_nothing_have_outlines_too() -> None:
    assert not outlined(np.zeros(RATE_HZ, dtype=np.float32)).outline().any()
    assert len(Waveform().outline()) == 0

"""The lite front end as tensor operations against the one in NumPy."""

from pathlib import Path

import numpy as np
import pytest
import torch

from merflow.corpus.samples import RATE_HZ, read_samples
from merflow.exporting.lite_speech import LiteMeasurements, view
from merflow.exporting.speech_fronts import voice_start
from merflow.features.encoders.lite import speech
from merflow.features.encoders.lite.measurements import measure
from merflow.features.media import clips

BANDS = 24


@pytest.fixture(scope="module")
def recordings(tiny_release: Path) -> list[np.ndarray]:
    """Return speech-like recordings, silence, noise of several levels, and the shortest that are possible."""
    random = np.random.default_rng(0)
    paths = [path for path in sorted(tiny_release.rglob("sentences/**/*.wav")) if not path.name.startswith(".")]
    noise = random.normal(0, 1, size=RATE_HZ).astype(np.float32)
    silence = np.zeros(RATE_HZ // 3, dtype=np.float32)
    heard = [read_samples(path, n_samples=None, resample=True) for path in paths[:12]]
    made_up: list[np.ndarray] = [silence, noise / 10, noise[:5000] / 1e4, noise[:400], noise[:719], -silence]
    return [*heard, *made_up, np.concatenate([silence, heard[0]])]


def test_measurements_and_statistics_are_those_of_numpy(recordings: list[np.ndarray]) -> None:
    module = LiteMeasurements(bands=BANDS)
    assert len(recordings) == 19
    for samples in recordings:
        expected = measure(samples, bands=BANDS)
        found = module(torch.from_numpy(samples).double())
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-10)
        for span_s in (0.4, None):
            of_numpy = speech.view(expected, span_s=span_s)
            np.testing.assert_allclose(view(found, span_s=span_s).numpy(), of_numpy, rtol=1e-5, atol=1e-6)


def test_the_voice_starts_at_the_same_sample(recordings: list[np.ndarray]) -> None:
    starts = [int(voice_start(torch.from_numpy(samples))) for samples in recordings]
    assert starts == [clips.voice_start(samples) for samples in recordings]
    assert max(starts) > 0

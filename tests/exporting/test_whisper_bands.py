"""Whisper's bands as tensor operations against transformers' feature extractor."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from merflow.contracts.presets import EncoderSpec
from merflow.corpus.samples import RATE_HZ
from merflow.exporting.whisper_bands import WhisperBands
from merflow.features.encoders.huggingface.processors import WhisperPreparer


@pytest.mark.parametrize("seconds", [0.1, 3.0, 30.0, 31.7])
def test_bands_are_those_of_transformers(encoders: Path, seconds: float) -> None:
    folder = encoders / "whisper-small.en"
    random = np.random.default_rng(0)
    sound = random.normal(0, 0.1, int(seconds * RATE_HZ)) * np.sin(np.linspace(0, 20, int(seconds * RATE_HZ)))
    samples = sound.astype(np.float32)
    expected = WhisperPreparer(folder).prepare(samples).values["mel"]
    bands = WhisperBands(EncoderSpec(name="whisper-encoder", settings={"model": str(folder), "layers": "last"}))
    found = bands(torch.from_numpy(samples)).numpy()
    assert found.shape == expected.shape == (2 if seconds > 30 else 1, 80, 3000)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert np.ptp(expected) > 1

"""Speech detection: the probabilities are silero-vad's own, whatever the blocks."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from merflow.serving.speech import WINDOW, SpeechDetector
from tests.real_data import EMODB, needs_emodb

PACKAGE = find_spec("silero_vad")
needs_silero = pytest.mark.skipif(PACKAGE is None, reason="silero-vad is not installed")
pytestmark = needs_silero


def noise(seconds: float) -> np.ndarray:
    """Return noise whose level rises and falls, so that the network's state matters."""
    time_s = np.arange(round(seconds * 16_000)) / 16_000
    random = np.random.default_rng(0).standard_normal(len(time_s))
    return np.asarray(0.2 * random * np.sin(time_s) ** 2, dtype=np.float32)


def released(samples: np.ndarray) -> Any:  # noqa: ANN401 - TorchScript has no types
    """Return the probabilities of the TorchScript in silero-vad's package, one window per call."""
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations
    load: Any = torch.jit.load
    script = load(str(Path(PACKAGE.submodule_search_locations[0]) / "data" / "silero_vad.jit"))
    script.reset_states()
    windows = np.pad(samples, (0, -len(samples) % WINDOW)).reshape(-1, 1, WINDOW)
    with torch.inference_mode():
        return np.array([float(script(torch.from_numpy(window), 16_000)) for window in windows])


def in_blocks(samples: np.ndarray, size: int) -> np.ndarray:
    detector = SpeechDetector()
    found = [detector.feed(samples[start : start + size]) for start in range(0, len(samples), size)]
    return np.concatenate([*found, detector.finish()])


@needs_emodb
def test_real_speech_is_speech_as_the_package_says() -> None:
    speech, rate_hz = soundfile.read(EMODB / "wav" / "03a01Fa.wav", dtype="float32")
    assert rate_hz == 16_000
    samples = np.concatenate([np.zeros(16_000, np.float32), speech, np.zeros(16_001, np.float32)])
    found = in_blocks(samples, 4000)
    np.testing.assert_allclose(found, released(samples), atol=1e-4)
    during = found[16_000 // WINDOW + 8 : (16_000 + len(speech)) // WINDOW - 8]
    assert during.mean() > 0.9
    assert found[:25].max() < 0.1
    assert found[-15:].max() < 0.1


def test_noise_scores_as_in_the_package() -> None:
    samples = noise(4.2)
    found = in_blocks(samples, len(samples))
    assert len(found) == -(-len(samples) // WINDOW)
    np.testing.assert_allclose(found, released(samples), atol=1e-4)


@pytest.mark.parametrize("size", [1, 511, 513, 16_000])
def test_the_size_of_the_blocks_changes_nothing(size: int) -> None:
    samples = noise(0.5 if size == 1 else 3.0)
    np.testing.assert_allclose(in_blocks(samples, size), in_blocks(samples, len(samples)), atol=1e-5)


def test_a_long_block_is_worked_through_in_parts() -> None:
    samples = np.tile(noise(5.0), 8)  # 40 s, more windows than one call takes
    np.testing.assert_allclose(in_blocks(samples, len(samples)), in_blocks(samples, 100_000), atol=1e-5)


def test_nothing_has_no_probabilities() -> None:
    assert len(in_blocks(np.zeros(0, np.float32), 1)) == 0
    assert len(SpeechDetector().finish()) == 0
    assert len(SpeechDetector().feed(np.zeros(WINDOW - 1, np.float32))) == 0


def test_detectors_do_not_share_their_past() -> None:
    samples = noise(2.0)
    one, other = SpeechDetector(), SpeechDetector()
    first = one.feed(samples)
    one.feed(samples[::-1].copy())
    np.testing.assert_array_equal(other.feed(samples), first)


def test_threads_are_left_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        SpeechDetector()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

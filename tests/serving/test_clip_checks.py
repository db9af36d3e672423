"""Warnings follow from measurements: short, silent, without speech, longer or shorter than the training data."""

import numpy as np
import pytest
import soundfile

from merflow.corpus.samples import level_dbfs
from merflow.inference.media_clips import Clip, Samples
from merflow.serving.clip_checks import ClipChecks
from tests.real_data import EMODB, needs_emodb

CHECKS = ClipChecks(silence_dbfs=-60.0, training_seconds=(1.0, 4.0), hears=True)


def noise(seconds: float, *, level: float = 0.1) -> np.ndarray:
    random = np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    return np.asarray(level * random, dtype=np.float32)


def warned(samples: np.ndarray, checks: ClipChecks = CHECKS) -> list[str]:
    return [warning.partition(":")[0] for warning in checks.of(Clip("a", audio=Samples(samples))).warnings]


def test_durations_and_levels_are_measured() -> None:
    assert warned(noise(2)) == []
    assert warned(noise(1.2)) == ["short"]
    assert warned(noise(0.8)) == ["short", "outside the training range"]
    assert warned(noise(5)) == ["outside the training range"]
    assert warned(noise(2, level=1e-4)) == ["silent"]
    assert warned(np.zeros(32_000, dtype=np.float32)) == ["silent"]
    assert CHECKS.of(Clip("a", audio=Samples(noise(2)))).duration_s == 2.0
    assert CHECKS.of(Clip("a", text="no sound")).duration_s is None


def test_a_modality_that_is_farther_from_the_training_data_than_usual_is_reported_once() -> None:
    checks = ClipChecks(
        silence_dbfs=-60.0, training_seconds=None, hears=True, usual_distances={"speech": 1.0, "text": 1}
    )
    (warning,) = checks.of_distances({"speech": 1.25, "context": 9.0, "text": 0.5})
    assert warning == ("outside the training range: its audio is 1.25 deviations from the training data, above 1.00")
    assert checks.of_distances({"speech": 1.0}) == ()


def test_the_level_is_that_of_corpus_validation() -> None:
    assert level_dbfs(np.ones(100, dtype=np.float32)) == pytest.approx(0)
    assert level_dbfs(np.full(100, 0.1, dtype=np.float32)) == pytest.approx(-20)


@needs_emodb
def test_speech_is_speech_and_noise_and_music_are_not() -> None:
    pytest.importorskip("silero_vad")
    checks = ClipChecks(silence_dbfs=-60.0, training_seconds=None, hears=True, finds_speech=True)
    speech = sorted((EMODB / "wav").glob("*.wav"))[::12]
    assert len(speech) > 20
    for path in speech:
        samples, _ = soundfile.read(path, dtype="float32")
        assert "hardly any speech" not in warned(samples, checks), path
    time_s = np.arange(48_000) / 16_000
    chord = sum(0.1 * np.sin(2 * np.pi * pitch * time_s) for pitch in (220.0, 277.2, 329.6))
    assert warned(noise(3), checks) == ["hardly any speech"]
    assert warned(np.asarray(chord, dtype=np.float32), checks) == ["hardly any speech"]
    assert warned(np.zeros(48_000, dtype=np.float32), checks) == ["silent"]

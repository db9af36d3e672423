"""Smoke tests and costs in real fresh processes, with a real trained model behind some of them."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.costs import read_costs, read_smoke_test, write_costs, write_smoke_test
from merflow.contracts.task import Classification
from merflow.errors import ModelError
from merflow.inference.media_clips import Clip, Samples
from merflow.promotion.costs import Predict, measure_costs, smoke_test
from merflow.promotion.probe_clips import probe_clips
from tests.promotion import packages

FOUR = Classification(("angry", "happy", "neutral", "sad"))
CLIPS = [Clip(f"c{number}", text="hello") for number in range(3)]


@dataclass(frozen=True)
class Uniform:
    """A loader of a model that knows nothing; its folder's ``behaviour`` says what goes wrong."""

    def __call__(self, folder: Path) -> Predict:
        behaviour = (folder / "behaviour").read_text()
        if behaviour == "no load":
            raise ModelError("a file is missing;\nregister again")
        held = bytearray(300 * 2**20) if behaviour == "large" else bytearray()

        def predict(clips: Sequence[Clip]) -> np.ndarray:
            if behaviour == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if behaviour == "shape":
                return np.full((len(clips), 2), 0.5)
            if behaviour == "not finite":
                return np.full((len(clips), 4), np.nan)
            return np.full((len(clips), 4), 0.25 + 0 * len(held))

        return predict


def folder(tmp_path: Path, behaviour: str) -> Path:
    made = tmp_path / behaviour.replace(" ", "-")
    made.mkdir()
    (made / "behaviour").write_text(behaviour)
    return made


def test_smoke_tests_say_what_is_wrong(tmp_path: Path) -> None:
    expected = {
        "fine": "",
        "no load": "ModelError: a file is missing; register again",
        "killed": "the process was killed, perhaps because memory ran out",
        "shape": "it returned probabilities of shape (3, 2) for 3 clips and 4 classes",
        "not finite": "its probabilities are not a distribution over the classes",
    }
    for behaviour, error in expected.items():
        outcome = smoke_test(folder(tmp_path, behaviour), CLIPS, task=FOUR, load=Uniform())
        assert (outcome.passed, outcome.error) == (not error, error)
        write_smoke_test(tmp_path, outcome)
        assert read_smoke_test(tmp_path) == outcome


def test_costs_are_those_of_the_package_and_not_of_this_process(tmp_path: Path) -> None:
    small, large = folder(tmp_path, "fine"), folder(tmp_path, "large")
    (large / "weights").write_bytes(b"0" * 2**20)
    ballast = np.ones(600 * 2**17)  # 600 MiB in this process

    first, second = measure_costs([small, large], CLIPS, load=Uniform(), rounds=2, repeats=2)

    assert ballast[0] == 1
    assert first.measurement == second.measurement
    assert (first.clips, len(first.rounds), len(second.rounds)) == (6, 2, 2)
    assert 250 < second.peak_resident_mib - first.peak_resident_mib < 400
    assert first.peak_resident_mib < 600
    assert second.size_mib - first.size_mib == pytest.approx(1, abs=0.01)
    assert first.latency_p95_ms > 0
    write_costs(tmp_path, first)
    assert read_costs(tmp_path) == first


def test_costs_of_a_package_that_does_not_load_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a file is missing"):
        measure_costs([folder(tmp_path, "no load")], CLIPS, load=Uniform())


def test_probe_clips_have_what_the_package_reads_and_are_as_long_as_its_training() -> None:
    facts = packages.package(modalities=("audio", "video"), training_seconds=(0.2, 300.0))
    clips = probe_clips(facts, count=4)

    assert [clip.has("audio") and clip.has("video") and not clip.has("text") for clip in clips] == [True] * 4
    lengths_s = [len(clip.audio.values) / 16_000 for clip in clips if isinstance(clip.audio, Samples)]
    assert lengths_s == pytest.approx([0.5, 7.0, 13.5, 20.0], abs=0.01)
    words = probe_clips(packages.package(modalities=("text",)), count=2)
    assert all(clip.text and not clip.has("audio") for clip in words)
    assert np.array_equal(_sound(clips[0]), _sound(probe_clips(facts, count=4)[0]))


def _sound(clip: Clip) -> np.ndarray:
    assert isinstance(clip.audio, Samples)
    return clip.audio.values

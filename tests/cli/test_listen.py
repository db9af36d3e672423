"""`merflow listen` as typed: what contradicts itself or cannot be heard is refused."""

from pathlib import Path

import pytest

pytest.importorskip("silero_vad")
pytest.importorskip("av")

from tests.cli.command import merflow, refused


def test_contradicting_options_are_refused(tmp_path: Path) -> None:
    talk = tmp_path / "talk.wav"
    assert "name a recording, - for standard input, or --microphone" in refused("listen", "--model", "runs/x")
    assert "one of the three" in refused("listen", talk, "--microphone", "--model", "runs/x")
    assert "--input and --seconds need --microphone" in refused("listen", talk, "--seconds", 3, "--model", "x")
    assert "Missing option '--model'" in refused("listen", talk)


def test_what_cannot_be_heard_is_refused_before_a_model_is_opened(tmp_path: Path) -> None:
    assert refused("listen", tmp_path / "absent.mp4", "--model", "nowhere").startswith("error: no such recording")
    (tmp_path / "notes.txt").write_text("words\n" * 99, encoding="utf-8")
    said = refused("listen", tmp_path / "notes.txt", "--model", "nowhere")
    assert "notes.txt is not a recording that FFmpeg reads" in said
    assert list(tmp_path.iterdir()) == [tmp_path / "notes.txt"]


def test_a_location_without_a_model_is_refused(tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "talk.wav", np.zeros(16_000), 16_000)
    assert "no such folder: nowhere" in refused("listen", tmp_path / "talk.wav", "--model", "nowhere")
    assert "no such folder: nowhere" in refused("listen", "--microphone", "--model", "nowhere")


def test_the_help_has_an_example() -> None:
    said = merflow("listen", "--help", columns=100)
    assert "merflow listen interview.mp4 --model runs/demo --transcribe" in " ".join(said.out.split())

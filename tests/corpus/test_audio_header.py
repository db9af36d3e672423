from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.corpus.audio_header import AudioHeader, Truncation, read_headers, truncation


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    return tmp_path / "a.wav"


def test_headers_are_read_in_order_and_none_for_a_missing_one(recording: Path) -> None:
    (recording.parent / "text.wav").write_text("this is not a recording")
    paths = [recording.parent / "none.wav", recording, recording.parent / "text.wav"]
    assert read_headers(paths) == [None, AudioHeader(n_samples=800, rate_hz=16_000), None]


def test_a_cut_off_wav_says_how_much_it_lost(recording: Path) -> None:
    assert truncation(recording) is None
    content = recording.read_bytes()
    assert len(content) == 44 + 1600
    for lost in (1, 2, 1599, 1600):
        recording.write_bytes(content[:-lost])
        assert truncation(recording) == Truncation(promised_bytes=1600, held_bytes=1600 - lost)


@pytest.mark.parametrize("kept", [0, 4, 12, 30, 43])
def test_a_wav_without_its_whole_header_has_no_length(recording: Path, kept: int) -> None:
    recording.write_bytes(recording.read_bytes()[:kept])
    assert truncation(recording) is None


def test_a_flac_has_no_length_in_its_header(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(800), 16_000)
    assert truncation(tmp_path / "a.flac") is None

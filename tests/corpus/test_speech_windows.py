from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.contracts.errors import CorpusError
from merflow.corpus.speech_windows import read_speech, windows
from tests.corpus.whisper_miniature import speech

RATE_HZ = 16_000
WINDOW = 30 * RATE_HZ


def wav(path: Path, samples: np.ndarray, *, rate_hz: int = RATE_HZ, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def test_a_recording_of_a_window_stays_whole() -> None:
    samples = speech(0, seconds=30)

    pieces = windows(samples, longest=WINDOW)
    assert len(pieces) == 1
    assert pieces[0] is samples


@pytest.mark.parametrize("seconds", [30.01, 34.1, 40, 61, 95.3])
def test_pieces_follow_each_other_and_none_is_too_long_or_too_short(seconds: float) -> None:
    samples = speech(1, seconds=seconds)
    pieces = windows(samples, longest=WINDOW)

    assert np.array_equal(np.concatenate(pieces), samples)
    assert len(pieces) >= seconds / 30
    assert max(len(piece) for piece in pieces) <= WINDOW
    assert min(len(piece) for piece in pieces) >= WINDOW // 6


@pytest.mark.parametrize("pause_s", [15.5, 18.0, 23.0, 29.0])
def test_a_long_recording_is_cut_in_its_pause(pause_s: float) -> None:
    samples = speech(2, seconds=40)
    first = round(pause_s * RATE_HZ)
    samples[first : first + 6400] *= 0.001  # 400 ms
    pieces = windows(samples, longest=WINDOW)

    assert len(pieces) == 2
    assert first + 1600 <= len(pieces[0]) <= first + 4800


def test_a_recording_without_any_pause_is_cut_as_late_as_can_be() -> None:
    pieces = windows(np.ones(40 * RATE_HZ, np.float32), longest=WINDOW)

    assert [len(piece) for piece in pieces] == [WINDOW, 10 * RATE_HZ]


def test_a_mono_recording_of_16_khz_is_read_as_it_is(tmp_path: Path) -> None:
    path = wav(tmp_path / "plain.wav", speech(3, seconds=0.5))

    for resample in (True, False):
        samples = read_speech(path, n_samples=8000, resample=resample)
        assert samples.dtype == np.float32
        assert np.array_equal(samples, soundfile.read(path, dtype="float32")[0])


def test_other_formats_are_converted_where_that_is_allowed(tmp_path: Path) -> None:
    times_s = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 440 * times_s)
    path = wav(tmp_path / "stereo.wav", np.stack([1.5 * tone, 0.5 * tone], axis=1), rate_hz=44_100)

    samples = read_speech(path, n_samples=44_100, resample=True)
    assert len(samples) == 16_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(samples - expected)[200:-200].max() < 1e-3
    with pytest.raises(CorpusError, match=r"44100 Hz and 2 channel\(s\), expected 16000 Hz and 1; .*corpus.resample"):
        read_speech(path, n_samples=44_100, resample=False)


def test_bad_recordings_say_what_is_wrong(tmp_path: Path) -> None:
    good = wav(tmp_path / "good.wav", speech(4, seconds=0.5))
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:-1000])
    (tmp_path / "text.wav").write_text("no audio at all")
    wav(tmp_path / "empty.wav", np.zeros(0))
    wav(tmp_path / "nan.wav", np.array([0.0, 0.1, np.nan]), subtype="FLOAT")
    reasons = {
        "none.wav": "no such recording",
        "cut.wav": "is truncated: 15000 of 16000 bytes",
        "text.wav": "no readable recording",
        "empty.wav": "has no samples",
        "nan.wav": "holds nan at sample 2",
    }
    for name, reason in reasons.items():
        with pytest.raises(CorpusError, match=reason):
            read_speech(tmp_path / name, n_samples=None, resample=True)
    with pytest.raises(CorpusError, match="has 8000 samples, the manifest says 7999; it changed since"):
        read_speech(good, n_samples=7999, resample=True)

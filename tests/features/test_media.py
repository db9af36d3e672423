import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from merflow.contracts.errors import FeatureError
from merflow.features.media import cut, read_recording, voice_start


def test_reads_samples_as_they_are(tmp_path: Path) -> None:
    samples = (np.arange(-800, 800) / 1000).astype(np.float32)
    sf.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    read = read_recording(tmp_path / "a.wav", n_samples=1600)
    assert read.dtype == np.float32
    assert np.array_equal(read, samples)


def test_reads_16_bit_and_flac_alike(tmp_path: Path) -> None:
    samples = np.array([0, 16384, -32768, 32767], dtype=np.int16)
    for name in ("a.wav", "a.flac"):
        sf.write(tmp_path / name, samples, 16_000, subtype="PCM_16")
        assert read_recording(tmp_path / name).tolist() == [0.0, 0.5, -1.0, 32767 / 32768]


def _eight_kilohertz(path: Path) -> None:
    sf.write(path, np.zeros(800), 8_000)


def _stereo(path: Path) -> None:
    sf.write(path, np.zeros((800, 2)), 16_000)


def _nan(path: Path) -> None:
    samples = np.zeros(800)
    samples[17] = np.nan
    sf.write(path, samples, 16_000, subtype="FLOAT")


def _no_samples(path: Path) -> None:
    sf.write(path, np.zeros(0), 16_000)


def _no_bytes(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("this is no recording")


def _truncated(path: Path) -> None:
    sf.write(path, np.zeros(800), 16_000)
    path.write_bytes(path.read_bytes()[:1000])


def _truncated_header(path: Path) -> None:
    sf.write(path, np.zeros(800), 16_000)
    path.write_bytes(path.read_bytes()[:30])


def _absent(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_absent, "no such recording"),
        (_eight_kilohertz, "has 8000 Hz, expected 16000 Hz"),
        (_stereo, "has 2 channels, expected 1"),
        (_nan, "holds nan at sample 17"),
        (_no_samples, "has no samples"),
        (_no_bytes, "is no readable recording"),
        (_text, "is no readable recording"),
        (_truncated, "is truncated: 956 of 1600 bytes"),
        (_truncated_header, "is no readable recording"),
    ],
)
def test_bad_recordings_name_file_fault_and_remedy(tmp_path: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    spoil(tmp_path / "bad.wav")
    with pytest.raises(FeatureError) as caught:
        read_recording(tmp_path / "bad.wav")
    assert str(tmp_path / "bad.wav") in str(caught.value)
    assert words in str(caught.value)
    assert "merflow data validate --quarantine" in str(caught.value)


def test_a_recording_that_changed_since_indexing_is_refused(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    with pytest.raises(FeatureError, match=r"has 800 samples, the manifest says 900.*merflow data index"):
        read_recording(tmp_path / "a.wav", n_samples=900)


def test_a_wav_of_unknown_length_is_read(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(content)
    assert len(read_recording(tmp_path / "a.wav")) == 800


def test_the_clip_starts_where_the_voice_starts() -> None:
    random = np.random.default_rng(0)
    silence = 1e-4 * random.standard_normal(16_000)
    voice = 0.1 * random.standard_normal(32_000)
    samples = np.concatenate([silence, voice]).astype(np.float32)
    start = voice_start(samples)
    assert 16_000 - 1_000 <= start <= 16_000
    clip = cut(samples, clip_s=0.5, skip_silence=True)
    assert np.array_equal(clip, samples[start : start + 8_000])
    assert np.array_equal(cut(samples, clip_s=0.5, skip_silence=False), samples[:8_000])
    assert np.array_equal(cut(samples, clip_s=None, skip_silence=False), samples)


def test_a_click_in_the_silence_does_not_count_as_voice() -> None:
    random = np.random.default_rng(0)
    samples = np.concatenate([np.zeros(16_000), 0.1 * random.standard_normal(16_000)]).astype(np.float32)
    samples[5_000:5_100] = 0.5
    assert voice_start(samples) > 14_000


@pytest.mark.parametrize("length", [1, 100, 400, 799])
def test_short_and_silent_recordings_are_kept_whole(length: int) -> None:
    assert voice_start(np.ones(length, dtype=np.float32)) == 0
    assert voice_start(np.zeros(16_000, dtype=np.float32)) == 0

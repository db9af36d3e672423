import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from merflow.corpus.samples import Excerpt, read_samples
from merflow.errors import CorpusError


def test_reads_samples_as_they_are(tmp_path: Path) -> None:
    samples = (np.arange(-800, 800) / 1000).astype(np.float32)
    sf.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    read = read_samples(tmp_path / "a.wav", n_samples=1600, resample=False)
    assert read.dtype == np.float32
    assert np.array_equal(read, samples)


def test_reads_16_bit_and_flac_alike(tmp_path: Path) -> None:
    samples = np.array([0, 16384, -32768, 32767], dtype=np.int16)
    for name in ("a.wav", "a.flac"):
        sf.write(tmp_path / name, samples, 16_000, subtype="PCM_16")
        assert read_samples(tmp_path / name, n_samples=None, resample=False).tolist() == [0.0, 0.5, -1.0, 32767 / 32768]


def test_an_excerpt_is_the_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    samples = np.random.default_rng(0).uniform(-1, 1, (32_000, 2)).astype(np.float32)
    sf.write(path, samples, 16_000, subtype="FLOAT")
    part = read_samples(Excerpt(path, 0.5, 1.25), n_samples=12_000, resample=True)
    assert np.array_equal(part, samples[8_000:20_000].mean(axis=1, dtype=np.float64).astype(np.float32))
    assert len(read_samples(Excerpt(path, 1.9, 5.0), n_samples=None, resample=True)) == 1_600
    with pytest.raises(CorpusError, match=r"long.wav \(1.900 to 5.000 s\) has 1600 samples, but 49600 in the manifest"):
        read_samples(Excerpt(path, 1.9, 5.0), n_samples=49_600, resample=True)
    with pytest.raises(CorpusError, match=r"long.wav \(3.000 to 5.000 s\) has no samples"):
        read_samples(Excerpt(path, 3.0, 5.0), n_samples=None, resample=True)


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
    path.write_text("this is not a recording")


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
        (_eight_kilohertz, "has 8000 Hz, not 16000 Hz"),
        (_stereo, "has 2 channels, not 1"),
        (_nan, "has nan at sample 17"),
        (_no_samples, "has no samples"),
        (_no_bytes, "cannot read the recording"),
        (_text, "cannot read the recording"),
        (_truncated, "is truncated: it has 956 of 1600 bytes"),
        (_truncated_header, "cannot read the recording"),
    ],
)
def test_bad_recordings_name_file_fault_and_remedy(tmp_path: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    spoil(tmp_path / "bad.wav")
    with pytest.raises(CorpusError) as caught:
        read_samples(tmp_path / "bad.wav", n_samples=None, resample=False)
    assert str(tmp_path / "bad.wav") in str(caught.value)
    assert words in str(caught.value)
    assert "merflow data validate --quarantine" in str(caught.value)


@pytest.mark.parametrize("spoil", [_eight_kilohertz, _stereo])
def test_other_formats_name_the_policy_that_allows_them(tmp_path: Path, spoil: object) -> None:
    assert callable(spoil)
    spoil(tmp_path / "other.wav")
    with pytest.raises(CorpusError, match=r"set corpus\.resample=true"):
        read_samples(tmp_path / "other.wav", n_samples=None, resample=False)
    assert len(read_samples(tmp_path / "other.wav", n_samples=None, resample=True)) in (800, 1600)


@pytest.mark.parametrize("spoil", [_nan, _no_samples, _no_bytes, _text, _truncated, _absent])
def test_resampling_forgives_nothing_else(tmp_path: Path, spoil: object) -> None:
    assert callable(spoil)
    spoil(tmp_path / "bad.wav")
    with pytest.raises(CorpusError, match=r"bad\.wav"):
        read_samples(tmp_path / "bad.wav", n_samples=None, resample=True)


def test_what_is_16_khz_mono_is_never_touched(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 1601).astype(np.float32)
    sf.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    assert np.array_equal(read_samples(tmp_path / "a.wav", n_samples=None, resample=True), samples)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_a_resampled_tone_is_the_tone_at_16_khz(tmp_path: Path, rate_hz: int) -> None:
    seconds = np.arange(rate_hz) / rate_hz
    sf.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds), rate_hz, subtype="FLOAT")
    read = read_samples(tmp_path / "a.wav", n_samples=rate_hz, resample=True)
    assert read.dtype == np.float32
    assert len(read) == 16_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(read - expected)[200:-200].max() < 2e-4


def test_resampling_is_soxrs_and_takes_out_what_16_khz_cannot_hold(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = (0.3 * random.standard_normal(44_101)).astype(np.float32)
    sf.write(tmp_path / "a.wav", samples, 44_100, subtype="FLOAT")
    read = read_samples(tmp_path / "a.wav", n_samples=None, resample=True)
    assert len(read) == round(44_101 * 16_000 / 44_100)
    assert np.allclose(read, soxr.resample(samples, 44_100, 16_000, quality="HQ"), atol=1e-6)
    whistle = 0.5 * np.sin(2 * np.pi * 12_000 * np.arange(44_100) / 44_100)
    sf.write(tmp_path / "b.wav", whistle, 44_100, subtype="FLOAT")
    assert np.abs(read_samples(tmp_path / "b.wav", n_samples=None, resample=True)[200:-200]).max() < 1e-4


def test_channels_are_averaged(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = random.uniform(-0.9, 0.9, (1600, 3)).astype(np.float32)
    sf.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    read = read_samples(tmp_path / "a.wav", n_samples=1600, resample=True)
    assert np.allclose(read, samples.mean(axis=1), atol=1e-7)


def test_a_recording_too_short_to_resample_keeps_a_sample(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.array([0.5]), 96_000, subtype="FLOAT")
    assert read_samples(tmp_path / "a.wav", n_samples=None, resample=True).tolist() == [0.5]


def test_a_recording_that_changed_since_indexing_is_refused(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    with pytest.raises(CorpusError, match=r"has 800 samples, but 900 in the manifest.*merflow data index"):
        read_samples(tmp_path / "a.wav", n_samples=900, resample=False)


def test_a_wav_of_unknown_length_is_read(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.zeros(800), 16_000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(content)
    assert len(read_samples(tmp_path / "a.wav", n_samples=None, resample=False)) == 800

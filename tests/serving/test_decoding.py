"""The sound of real files in many formats: right samples, right times, and damage that is set aside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("av")

from merflow.corpus.samples import RATE_HZ, read_samples
from merflow.errors import MediaError
from merflow.serving.decoding import DamagedPart, open_recording
from tests.serving.sounds import beep, write_compressed, write_film


def heard(path: Path) -> tuple[np.ndarray, Sequence[DamagedPart], bool]:
    with open_recording(path) as sound:
        samples = np.concatenate(list(sound.blocks()))
        assert len(samples) == sound.n_samples
        return samples, sound.damaged, sound.has_video


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (48_000, 2), (44_100, 1), (8_000, 2)])
def test_a_file_sounds_as_in_training(tmp_path: Path, rate_hz: int, channels: int) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, beep(2.0, rate_hz=rate_hz, channels=channels), rate_hz, subtype="PCM_16")
    samples, damaged, has_video = heard(path)
    trained_on = read_samples(path, n_samples=None, resample=True)
    assert (list(damaged), has_video) == ([], False)
    assert len(samples) == len(trained_on)
    np.testing.assert_allclose(samples, trained_on, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "encoder", "rate_hz"),
    [
        *[("a.flac", "flac", 16_000), ("a.mp3", "libmp3lame", 16_000), ("a.ogg", "libopus", 48_000)],
        *[("a.m4a", "aac", 44_100), ("a.mka", "ac3", 48_000), ("a.webm", "libopus", 16_000)],
    ],
)
def test_compressed_sound_keeps_its_time(tmp_path: Path, name: str, encoder: str, rate_hz: int) -> None:
    silence = np.zeros((rate_hz, 1), dtype=np.float32)
    whole = np.concatenate([silence, beep(1.0, rate_hz=rate_hz), silence])[:, 0]
    samples, damaged, _ = heard(write_compressed(tmp_path / name, whole, encoder=encoder, rate_hz=rate_hz))
    assert list(damaged) == []
    assert len(samples) / RATE_HZ == pytest.approx(3.0, abs=0.1)
    loud = np.flatnonzero(np.abs(samples) > 0.1) / RATE_HZ
    assert (loud[0], loud[-1]) == pytest.approx((1.0, 2.0), abs=0.06)


def test_a_film_is_heard_at_the_time_of_its_pictures(tmp_path: Path) -> None:
    samples, damaged, has_video = heard(write_film(tmp_path / "film.mkv", beep(1.0)[:, 0], late_s=1.5))
    assert (list(damaged), has_video) == ([], True)
    assert np.flatnonzero(np.abs(samples) > 0.1)[0] / RATE_HZ == pytest.approx(1.5, abs=0.07)


def test_a_damaged_middle_is_set_aside_and_the_rest_keeps_its_time(tmp_path: Path) -> None:
    silence = np.zeros((RATE_HZ * 2, 1), dtype=np.float32)
    whole = np.concatenate([silence, silence, beep(1.0)])[:, 0]
    path = write_compressed(tmp_path / "a.ts", whole, encoder="mp2")
    content = bytearray(path.read_bytes())
    start = len(content) // 4 // 188 * 188  # whole packets of the transport stream
    content[start : start + 100 * 188] = bytes(100 * 188)
    path.write_bytes(content)
    samples, damaged, _ = heard(path)
    assert len(damaged) >= 1
    assert damaged[0].at_s < 4
    assert np.flatnonzero(np.abs(samples) > 0.1)[0] / RATE_HZ == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(("name", "encoder"), [("a.mka", "flac"), ("a.wav", "pcm_s16le")])
def test_a_truncated_file_is_heard_to_where_it_ends(tmp_path: Path, name: str, encoder: str) -> None:
    path = write_compressed(tmp_path / name, beep(20.0)[:, 0], encoder=encoder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    samples, damaged, _ = heard(path)
    assert 6 < len(samples) / RATE_HZ < 14
    if name == "a.mka":
        assert "before the end that its header gives" in damaged[-1].reason


def test_a_video_without_its_index_is_refused(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.mp4", beep(3.0)[:, 0])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"film\.mp4 is not a recording that FFmpeg reads"):
        heard(path)


def test_values_that_are_not_numbers_are_silence(tmp_path: Path) -> None:
    sound = beep(1.0)
    sound[100:200] = np.nan
    sound[300] = np.inf
    soundfile.write(tmp_path / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    samples, damaged, _ = heard(tmp_path / "a.wav")
    assert np.isfinite(samples).all()
    assert not samples[100:200].any()
    assert {each.reason for each in damaged} == {"samples are not finite; they are silence here"}


def test_what_is_not_a_recording_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no sound at all\n" * 50, encoding="utf-8")
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "target.wav", beep(1.0), RATE_HZ)
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\ntarget.wav\n#EXT-X-ENDLIST\n", encoding="utf-8")
    for name in ("notes.txt", "empty.wav", "list.m3u8"):
        with pytest.raises(MediaError, match=f"{name} is not a recording that FFmpeg reads"):
            heard(tmp_path / name)
    with pytest.raises(MediaError, match=r"no such recording: .*absent\.wav; check the path"):
        heard(tmp_path / "absent.wav")
    with pytest.raises(MediaError, match="no such recording"):
        heard(tmp_path)
    with pytest.raises(MediaError, match=r"mute\.mkv has no sound; name a recording with an audio track"):
        heard(write_film(tmp_path / "mute.mkv", np.zeros(RATE_HZ, dtype=np.float32), sound=False))


def test_a_name_is_never_an_address(tmp_path: Path) -> None:
    path = tmp_path / "http:a%20b?x.wav"
    soundfile.write(path, beep(0.5), RATE_HZ)
    assert len(heard(path)[0]) == RATE_HZ // 2

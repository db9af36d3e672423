import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.corpus.samples import Excerpt
from merflow.corpus.validation.recordings import BLOCK_FRAMES, SILENCE_FLOOR_DBFS, Recording, measure, measure_all
from tests.real_data import EMODB, needs_emodb


def tone(seconds: float = 0.5, *, amplitude: float = 0.5, rate_hz: int = 16_000) -> np.ndarray:
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return amplitude * np.sin(2 * np.pi * 200 * times_s)


def wav(path: Path, samples: np.ndarray, *, rate_hz: int = 16_000, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def test_a_sound_recording_is_measured(tmp_path: Path) -> None:
    found = measure(wav(tmp_path / "tone.wav", tone()))

    assert (found.state, found.note) == ("ok", "")
    assert (found.samples, found.file_rate_hz, found.channels) == (8000, 16_000, 1)
    assert found.rms_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert (found.clipped_share, found.non_finite) == (0.0, 0)


def test_figures_of_a_recording_of_many_blocks_are_those_of_the_whole(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1.2, 1.2, 3 * BLOCK_FRAMES + 17).astype(np.float32)
    found = measure(wav(tmp_path / "long.wav", samples, subtype="FLOAT"))

    assert found.samples == len(samples)
    assert found.clipped_share == pytest.approx(np.mean(np.abs(samples) >= 32767 / 32768))
    assert found.rms_dbfs == pytest.approx(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def test_rate_and_channels_are_the_files_own(tmp_path: Path) -> None:
    found = measure(wav(tmp_path / "stereo.wav", np.stack([tone(rate_hz=8000)] * 2, axis=1), rate_hz=8000))

    assert (found.file_rate_hz, found.channels, found.samples) == (8000, 2, 4000)


def test_samples_that_are_not_numbers_are_counted_and_left_out_of_the_level(tmp_path: Path) -> None:
    samples = tone()
    expected = measure(wav(tmp_path / "whole.wav", samples, subtype="FLOAT"))
    holes = np.concatenate([samples, [np.nan, np.inf, -np.inf]])
    found = measure(wav(tmp_path / "holes.wav", holes, subtype="FLOAT"))

    assert found.non_finite == 3
    assert found.rms_dbfs == pytest.approx(expected.rms_dbfs)
    assert found.clipped_share == 0.0


def test_digital_silence_has_the_floor_as_level(tmp_path: Path) -> None:
    assert measure(wav(tmp_path / "zeros.wav", np.zeros(8000))).rms_dbfs == SILENCE_FLOOR_DBFS


def test_clipped_samples_count_on_both_sides(tmp_path: Path) -> None:
    samples = np.zeros(1000)
    samples[:10], samples[10:30] = 1.0, -1.0

    assert measure(wav(tmp_path / "clipped.wav", samples)).clipped_share == pytest.approx(0.03)


def test_a_missing_file_and_a_folder_are_missing(tmp_path: Path) -> None:
    assert measure(tmp_path / "none.wav") == Recording("missing", f"no such recording: {tmp_path / 'none.wav'}")
    assert measure(tmp_path).state == "missing"


def test_empty_files_are_distinguished_from_unreadable_ones(tmp_path: Path) -> None:
    (tmp_path / "bytes.wav").touch()
    (tmp_path / "noise.wav").write_bytes(b"no audio at all" * 20)

    assert measure(tmp_path / "bytes.wav") == Recording("empty", "the file has 0 bytes")
    assert measure(wav(tmp_path / "header.wav", tone()[:0])) == Recording("empty", "the file has 0 samples")
    unreadable = measure(tmp_path / "noise.wav")
    assert unreadable.state == "unreadable"
    assert "not recognised" in unreadable.note


@pytest.mark.parametrize("lost", [1, 2, 5001, 15_999])
def test_a_wav_that_is_shorter_than_its_header_says_is_truncated(tmp_path: Path, lost: int) -> None:
    path = wav(tmp_path / "cut.wav", tone())
    path.write_bytes(path.read_bytes()[:-lost])

    told, held = 16_000, 16_000 - lost
    assert measure(path) == Recording(
        "truncated", f"the header declares {told} bytes of samples, but the file has {held}"
    )


def test_a_wav_without_its_header_is_unreadable(tmp_path: Path) -> None:
    path = wav(tmp_path / "cut.wav", tone())
    path.write_bytes(path.read_bytes()[:30])

    assert measure(path).state == "unreadable"


def test_chunks_before_and_after_the_samples_do_not_count_as_samples(tmp_path: Path) -> None:
    content = wav(tmp_path / "plain.wav", tone()).read_bytes()
    extra = b"LIST" + struct.pack("<I", 5) + b"notes\0"  # odd length, padded by one byte
    path = tmp_path / "chunks.wav"
    path.write_bytes(
        content[:4] + struct.pack("<I", len(content) + 28 - 8) + content[8:36] + extra + content[36:] + extra
    )

    found = measure(path)
    assert (found.state, found.samples) == ("ok", 8000)


def test_a_streamed_wav_without_a_length_is_valid(tmp_path: Path) -> None:
    path = wav(tmp_path / "streamed.wav", tone())
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff\xff\xff\xff" + content[44:])

    found = measure(path)
    assert (found.state, found.samples) == ("ok", 8000)


def test_a_cut_off_flac_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[:9000])

    assert measure(path).state in ("unreadable", "truncated")


def test_all_recordings_are_measured_in_order(tmp_path: Path) -> None:
    for number in range(20):
        wav(tmp_path / f"{number}.wav", tone(0.1 + 0.01 * number))
    told: list[tuple[str, int, int]] = []
    sources = [None, *(tmp_path / f"{number}.wav" for number in range(20)), tmp_path / "none.wav"]
    table = measure_all(sources, progress=lambda *figures: told.append(figures))

    assert table["state"].tolist() == ["none", *["ok"] * 20, "missing"]
    assert table["samples"].iloc[1:21].tolist() == [1600 + 160 * number for number in range(20)]
    assert told[-1] == ("recordings", 22, 22)


def test_an_excerpt_is_measured_like_a_recording_of_its_own(tmp_path: Path) -> None:
    long = wav(tmp_path / "long.wav", np.concatenate([np.zeros(8000), tone(0.25), np.zeros(8000)]))
    own = wav(tmp_path / "own.wav", tone(0.25))

    assert measure(Excerpt(long, 0.5, 0.75)) == measure(own)
    assert measure(Excerpt(long, 1.0, 3.0)).samples == 4000  # up to the end of the file
    beyond = measure(Excerpt(long, 1.5, 2.0))
    assert (beyond.state, beyond.note) == ("empty", "it ends at 1.250 s")
    assert measure(Excerpt(tmp_path / "none.wav", 0.0, 1.0)).state == "missing"


def test_nothing_to_measure_gives_an_empty_table() -> None:
    table = measure_all([])

    assert len(table) == 0
    assert list(table.columns) == list(Recording.__dataclass_fields__)


@needs_emodb
def test_every_emodb_recording_is_sound() -> None:
    table = measure_all(sorted((EMODB / "wav").glob("*.wav")))

    assert len(table) == 339
    assert set(table["state"]) == {"ok"}
    assert set(table["file_rate_hz"]) == {16_000}

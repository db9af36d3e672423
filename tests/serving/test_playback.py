"""The compressed copy of the sound: the same content at the same times as the original."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from merflow.corpus.samples import RATE_HZ
from merflow.errors import OutputError
from merflow.serving.decoding import open_recording
from merflow.serving.playback import BYTES_PER_S, playback_copy
from tests.serving.sounds import beep


def test_a_copy_sounds_alike_and_has_the_size_that_is_promised(tmp_path: Path) -> None:
    silence = np.zeros(2 * RATE_HZ, dtype=np.float32)
    whole = np.concatenate([silence, beep(1.0)[:, 0], silence, silence])
    path = tmp_path / "copy.mp3"
    with playback_copy(path) as copy:
        for start in range(0, len(whole), 5000):
            copy.add(whole[start : start + 5000])
    assert path.stat().st_size == pytest.approx(7 * BYTES_PER_S, rel=0.03)
    with open_recording(path) as sound:
        decoded = np.concatenate(list(sound.blocks()))
    loud = np.flatnonzero(np.abs(decoded) > 0.1) / RATE_HZ
    assert (loud[0], loud[-1]) == pytest.approx((2.0, 3.0), abs=0.02)
    assert np.corrcoef(decoded[2 * RATE_HZ : 3 * RATE_HZ], whole[2 * RATE_HZ : 3 * RATE_HZ])[0, 1] > 0.99


def test_sound_beyond_full_scale_is_clipped(tmp_path: Path) -> None:
    with playback_copy(tmp_path / "copy.mp3") as copy:
        copy.add(np.full(RATE_HZ, 3.0, dtype=np.float32))
    assert (tmp_path / "copy.mp3").stat().st_size > 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "copy.mp3"
    with pytest.raises(OutputError, match=r"cannot write .*copy\.mp3"), playback_copy(path) as copy:
        copy.add(np.zeros(RATE_HZ, dtype=np.float32))

"""Microphones: FFmpeg's virtual input, a file that ALSA plays as a device, and no device at all."""

import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from merflow.corpus.samples import RATE_HZ
from merflow.errors import MediaError
from merflow.serving.microphone import open_microphone

TONE = "lavfi:sine=frequency=300:sample_rate=44100,arealtime"
ALSA_FILE = """
pcm.null {{ type null }}
pcm.default {{ type file slave {{ pcm null }} file /dev/null infile {played} format raw }}
"""


def test_a_limit_ends_the_recording() -> None:
    with open_microphone(TONE, stop=threading.Event(), limit_s=1.0) as sound:
        samples = np.concatenate(list(sound.blocks()))
    assert len(samples) / RATE_HZ == pytest.approx(1.0, abs=0.1)
    assert np.abs(samples[RATE_HZ // 2 :]).max() > 0.05
    assert sound.n_damaged == 0


def test_a_slow_listener_loses_nothing_and_a_stop_ends_the_recording() -> None:
    stop = threading.Event()
    heard = 0
    with open_microphone(TONE, stop=stop) as sound:
        for block in sound.blocks():
            heard += len(block)
            if heard < RATE_HZ // 10:
                time.sleep(0.3)
            elif heard > RATE_HZ // 2:
                stop.set()
    assert heard == sound.n_samples
    assert sound.damaged == []


def test_a_listener_that_fails_ends_the_recording() -> None:
    before = threading.active_count()
    stack = ExitStack()
    sound = stack.enter_context(open_microphone(TONE, stop=threading.Event()))
    assert len(next(sound.blocks()))
    assert threading.active_count() == before + 1
    stack.close()
    assert threading.active_count() == before


@pytest.mark.skipif(sys.platform != "linux", reason="ALSA is Linux's")
def test_alsa_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tone = np.sin(np.arange(3 * 48_000) / 20) * 8000
    np.repeat(tone.astype("<i2"), 2).tofile(tmp_path / "played.raw")
    (tmp_path / "alsa.conf").write_text(ALSA_FILE.format(played=tmp_path / "played.raw"), encoding="utf-8")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "alsa.conf"))
    with open_microphone(None, stop=threading.Event(), limit_s=0.1) as sound:
        samples = np.concatenate(list(sound.blocks()))
    assert len(samples) / RATE_HZ == pytest.approx(0.1, abs=0.05)
    assert np.abs(samples).max() == pytest.approx(8000 / 32768, rel=0.05)


def test_no_device_is_reported_with_one_thing_to_do() -> None:
    with (
        pytest.raises(MediaError, match=r"no microphone at alsa:absent \(.*\); plug one in, or name it: --input"),
        open_microphone("alsa:absent", stop=threading.Event()),
    ):
        pass
    for wrong, said in (("alsa", "is not INPUT:DEVICE"), ("nothing:x", "has no input 'nothing'")):
        with pytest.raises(MediaError, match=said), open_microphone(wrong, stop=threading.Event()):
            pass

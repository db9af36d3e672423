import numpy as np
import pytest

from merflow.corpus.samples import RATE_HZ
from merflow.corpus.transcription.speech_windows import windows
from tests.corpus.transcription.whisper_miniature import speech

WINDOW = 30 * RATE_HZ


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

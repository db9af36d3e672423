"""Segments: hysteresis, lengths and cuts on planned probabilities; planted voices on real and synthetic speech."""

from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.listening_results import SegmentSettings
from merflow.corpus.samples import RATE_HZ
from merflow.errors import ParamsError
from merflow.serving.segments import Segmenter, SpeechSegment
from merflow.serving.speech import WINDOW, SpeechDetector
from tests.real_data import EMODB, needs_emodb
from tests.serving.sounds import Planted, planted, voices_in

PLAIN = SegmentSettings(margin_s=0.0)


def planned(*stretches: tuple[float, float], settings: SegmentSettings = PLAIN) -> list[tuple[float, float]]:
    """Return start and end of the segments of a recording with these (seconds, probability of speech)."""
    probabilities = np.concatenate([np.full(round(seconds * RATE_HZ / WINDOW), p) for seconds, p in stretches])
    return times(cut(np.zeros(len(probabilities) * WINDOW, dtype=np.float32), probabilities, settings=settings))


def cut(
    samples: np.ndarray, probabilities: np.ndarray, *, settings: SegmentSettings = PLAIN, block: int = 31
) -> list[SpeechSegment]:
    """Return the segments; a block has this number of windows."""
    segmenter, found = Segmenter(settings), list[SpeechSegment]()
    for start in range(0, len(probabilities), block):
        end = start + block
        found += segmenter.feed(samples[start * WINDOW : end * WINDOW], probabilities[start:end])
    return found + segmenter.finish()


def times(segments: list[SpeechSegment]) -> list[tuple[float, float]]:
    return [(segment.start_s, segment.end_s) for segment in segments]


def near(*expected: tuple[float, float]) -> list[object]:
    return [pytest.approx(each, abs=2 * WINDOW / RATE_HZ) for each in expected]


def test_a_segment_starts_at_the_onset_and_ends_at_a_pause() -> None:
    assert planned((1, 0.1), (2, 0.9), (1, 0.1), (1, 0.9), (1, 0.1)) == near((1, 3), (4, 5))


def test_speech_between_the_thresholds_continues_but_does_not_begin() -> None:
    assert planned((1, 0.4), (1, 0.9), (1, 0.4), (1, 0.9), (1, 0.1)) == near((1, 4))
    assert planned((3, 0.4)) == []


def test_a_short_pause_is_part_of_its_segment() -> None:
    assert planned((1, 0.1), (1, 0.9), (0.3, 0.1), (1, 0.9), (1, 0.1)) == near((1, 3.3))
    assert planned((1, 0.1), (1, 0.9), (0.5, 0.1), (1, 0.9), (1, 0.1)) == near((1, 2), (2.5, 3.5))


def test_short_speech_is_left_out() -> None:
    assert planned((1, 0.1), (0.3, 0.9), (1, 0.1), (0.5, 0.9), (1, 0.1)) == near((2.3, 2.8))


def test_the_end_of_the_recording_ends_a_segment() -> None:
    assert planned((1, 0.1), (2, 0.9)) == near((1, 3))
    assert planned((1, 0.1), (2, 0.9), (0.2, 0.1)) == near((1, 3))
    assert planned((2, 0.1), (0.2, 0.9)) == []


def test_margins_stop_at_the_recording_and_at_the_neighbour() -> None:
    wide = SegmentSettings(margin_s=0.5)
    found = planned((0.2, 0.1), (1, 0.9), (0.6, 0.1), (1, 0.9), (0.2, 0.1), settings=wide)
    assert found == near((0, 1.7), (1.7, 3.0))
    assert found[0][1] == found[1][0]


@pytest.mark.parametrize("quiet_s", [7.0, 10.0])
def test_long_speech_is_cut_where_it_is_quietest(quiet_s: float) -> None:
    loud = np.random.default_rng(0).normal(0, 0.3, 20 * RATE_HZ).astype(np.float32)
    loud[round((quiet_s - 0.15) * RATE_HZ) : round((quiet_s + 0.15) * RATE_HZ)] *= 0.01
    n = len(loud) // WINDOW
    found = cut(loud[: n * WINDOW], np.full(n, 0.9))
    assert times(found)[0] == pytest.approx((0, quiet_s), abs=0.1)
    assert found[1].first == found[0].end
    assert found[-1].end == n * WINDOW
    np.testing.assert_array_equal(np.concatenate([each.samples for each in found]), loud[: n * WINDOW])


def test_hours_of_speech_are_cut_and_little_of_them_is_kept() -> None:
    segmenter = Segmenter(PLAIN)
    second = np.random.default_rng(0).normal(0, 0.1, 50 * WINDOW).astype(np.float32)
    lengths, kept = [], []
    for _ in range(600):
        lengths += [len(each.samples) for each in segmenter.feed(second, np.full(50, 0.99))]
        kept.append(len(segmenter.sound))
    assert max(lengths) <= PLAIN.longest_s * RATE_HZ
    assert min(lengths) >= PLAIN.longest_s / 2 * RATE_HZ
    assert max(kept) <= (PLAIN.longest_s + PLAIN.shortest_s) * RATE_HZ + len(second)


def test_silence_is_not_kept() -> None:
    segmenter = Segmenter(SegmentSettings())
    for _ in range(100):
        assert segmenter.feed(np.zeros(50 * WINDOW, dtype=np.float32), np.zeros(50)) == []
    assert len(segmenter.sound) <= RATE_HZ


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_the_size_of_the_blocks_changes_nothing(block: int) -> None:
    random = np.random.default_rng(5)
    probabilities = np.repeat(random.random(60), 25)
    samples = random.normal(0, 0.1, len(probabilities) * WINDOW).astype(np.float32)
    expected = cut(samples, probabilities, settings=SegmentSettings())
    found = cut(samples, probabilities, settings=SegmentSettings(), block=block)
    assert times(found) == times(expected)
    assert len(found) > 3
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        np.testing.assert_array_equal(one.samples, samples[one.first : one.end])


def test_thresholds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"offset 0\.6 is above onset 0\.5; set it to at most that"):
        Segmenter(SegmentSettings(offset=0.6))


def coverage(recording: Planted) -> tuple[np.ndarray, float]:
    """Return the share of each voice that lies in segments, and the share of the segments that is voice."""
    pytest.importorskip("silero_vad")
    detector, segmenter = SpeechDetector(), Segmenter(SegmentSettings())
    found = list[SpeechSegment]()
    for start in range(0, len(recording.samples), RATE_HZ):
        block = recording.samples[start : start + RATE_HZ]
        found += segmenter.feed(block, detector.feed(block))
    found += segmenter.feed(np.zeros(0, dtype=np.float32), detector.finish()) + segmenter.finish()
    shared = np.array(
        [
            [max(0, min(end, segment.end) - max(first, segment.first)) for segment in found]
            for first, end in recording.voices
        ]
    )
    lengths = np.array([end - first for first, end in recording.voices])
    return shared.sum(axis=1) / lengths, float(shared.sum() / sum(len(segment.samples) for segment in found))


@needs_emodb
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_real_speech_is_found_where_it_was_planted(noise: float) -> None:
    of_each, of_found = coverage(planted(voices_in(EMODB, count=20), noise=noise))
    assert of_each.min() > 0.7
    assert of_each.mean() > 0.93
    assert of_found > 0.93


def test_synthetic_voices_are_mostly_found(tiny_release: Path) -> None:
    """The generated voices are not speech, but they resemble it enough."""
    of_each, of_found = coverage(planted(voices_in(tiny_release, count=20)))
    assert np.mean(of_each > 0.5) > 0.7
    assert of_found > 0.7

"""Smoothing over time: the weights as stated, abstention kept, and segments without a prediction left alone."""

from collections.abc import Sequence

import pytest

from merflow.contracts.heard import NOT_SURE, HeardEmotion
from merflow.contracts.listening_results import HeardSegment
from merflow.serving.timeline import smoothed
from tests.serving.results import scored


def segment(start_s: float, end_s: float, angry: float, *, sure: bool = True) -> HeardSegment:
    probabilities = {"angry": angry, "sad": 1 - angry}
    emotion = "angry" if angry >= 0.5 else "sad"
    possible = (emotion,) if sure else ("angry", "sad")
    heard = HeardEmotion(
        emotion=emotion, probabilities=probabilities, possible=possible, sure=sure, modalities=("audio",), warnings=()
    )
    return HeardSegment(start_s=start_s, end_s=end_s, heard=heard)


def anger(segments: Sequence[HeardSegment]) -> list[float]:
    return [each.smoothed["angry"] for each in segments if each.smoothed is not None]


def test_neighbours_weigh_their_length_times_one_half_per_half_life() -> None:
    turns = [segment(0, 2, 0.9), segment(4, 8, 0.1), segment(20, 22, 0.5)]  # middles 1, 6, 21 s
    found = anger(smoothed(turns, half_life_s=5.0))
    near, far, farther = 0.5, 0.5**3, 0.5**4
    assert found[0] == pytest.approx((2 * 0.9 + 4 * near * 0.1 + 2 * farther * 0.5) / (2 + 4 * near + 2 * farther))
    assert found[1] == pytest.approx((2 * near * 0.9 + 4 * 0.1 + 2 * far * 0.5) / (2 * near + 4 + 2 * far))


def test_what_is_six_half_lives_away_does_not_count() -> None:
    turns = [segment(0, 2, 0.9), segment(31.5, 33.5, 0.1)]
    assert anger(smoothed(turns, half_life_s=5.0)) == pytest.approx([0.9, 0.1])


def test_no_half_life_is_no_smoothing() -> None:
    turns = [segment(0, 2, 0.9), segment(2, 4, 0.1)]
    assert anger(smoothed(turns, half_life_s=0)) == [0.9, 0.1]


def test_smoothing_makes_no_segment_sure_and_changes_no_prediction() -> None:
    turns = [segment(0, 5, 0.95), segment(5, 6, 0.55, sure=False), segment(6, 7, 0.4), segment(7, 12, 0.95)]
    found = smoothed(turns)
    assert [each.smoothed_answer for each in found] == ["angry", NOT_SURE, "angry", "angry"]
    assert [each.answer for each in found] == ["angry", NOT_SURE, "sad", "angry"]
    assert [each.heard for each in found] == [each.heard for each in turns]
    assert sum(found[1].smoothed.values() if found[1].smoothed else ()) == pytest.approx(1)


def test_a_segment_without_a_prediction_neither_counts_nor_is_filled() -> None:
    refused = HeardSegment(start_s=2, end_s=9, refusal="it cannot be read")
    found = smoothed([segment(0, 2, 0.9), refused, segment(9, 10, 0.9)])
    assert found[1] == refused
    assert found[1].smoothed_answer == ""
    assert anger(found) == pytest.approx([0.9, 0.9])
    assert smoothed([]) == ()
    assert smoothed([refused]) == (refused,)


def test_scores_are_smoothed_and_stay_as_unsure_as_they_were() -> None:
    first, second = smoothed((scored(0, 2, 2.0), scored(2, 4, -0.5)), half_life_s=2.0)
    weighted = (2 * 2.0 + 2 * 0.5 * -0.5) / (2 + 1)
    assert first.smoothed == pytest.approx({"score": weighted})
    assert second.smoothed == pytest.approx({"score": (2 * -0.5 + 2 * 0.5 * 2.0) / 3})
    assert first.smoothed_answer == "1.2"
    assert second.smoothed_answer == "not sure: 0.3"

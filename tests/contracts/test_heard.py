"""Answers in words: scores with their interval and side, and JSON in which emotions have none of it."""

import json

import pytest

from merflow.contracts.heard import NOT_SURE, HeardEmotion, HeardScore, ListeningModel, ScoreScale, short
from merflow.contracts.listening_results import HeardSegment
from tests.serving.results import SCORED, SENTIMENT, results, score_results


def heard(score: float, low: float | None, high: float | None, *, sure: bool) -> HeardScore:
    return HeardScore(score=score, low=low, high=high, sure=sure, modalities=("audio",), warnings=())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (heard(1.26, 0.42, 2.1, sure=True), "1.3 (0.4 to 2.1)"),
        (heard(-0.04, -0.93, 0.86, sure=False), "not sure: 0.0 (-0.9 to 0.9)"),
        (heard(-2.6, None, None, sure=True), "-2.6"),
    ],
)
def test_a_score_is_reported_with_its_interval(answer: HeardScore, said: str) -> None:
    assert answer.answer == said


def test_zero_has_no_sign() -> None:
    assert [short(score) for score in (-0.049, 0.049, -0.051, 2.96)] == ["0.0", "0.0", "-0.1", "3.0"]


def test_the_side_is_that_of_the_score_unless_the_model_is_not_sure() -> None:
    model = score_results().model
    assert model.labels == ("negative", "positive")
    assert model.label_of(heard(-0.2, -0.3, -0.1, sure=True)) == "negative"
    assert model.label_of(heard(0.2, -0.3, 0.7, sure=False)) == NOT_SURE
    assert model.label_of(heard(0.0, None, None, sure=True)) == NOT_SURE
    arousal = model.model_copy(update={"scale": ScoreScale(task="activation", low=1, high=5)})
    assert arousal.label_of(heard(3.2, 3.1, 3.3, sure=True)) == "high"
    assert arousal.task == "activation"


def test_places_on_the_scale_end_at_its_ends() -> None:
    assert [SENTIMENT.place(score) for score in (-4, -3, 0, 1.5, 3.2)] == [0, 0, 0.5, 0.75, 1]


def test_a_segment_of_either_task_is_read_back_with_its_kind() -> None:
    for segment in (*results().segments, *score_results().segments):
        again = HeardSegment.model_validate(json.loads(segment.model_dump_json()), strict=False)
        assert again == segment
        assert type(again.heard) is type(segment.heard)


def test_the_model_of_emotions_is_written_as_before_there_were_scores() -> None:
    emotions, scores = (found.model.model_dump(mode="json") for found in (results(), score_results()))
    assert "scale" not in emotions
    assert scores["scale"] == {"task": "sentiment", "low": -3.0, "high": 3.0}
    assert ListeningModel.model_validate_json(json.dumps(emotions)).task == "emotion"


def test_totals_of_scores_follow_from_the_segments() -> None:
    found = score_results()
    assert found.seconds_of == {"negative": 2.0, "positive": 5.75, NOT_SURE: 5.0}
    assert found.labels == ("negative", NOT_SURE, "", "positive", "positive")
    weighted = 2 * -2.6 + 5 * -0.04 + 0.75 * 1.25 + 5 * 2.0
    assert found.mean_score == pytest.approx(weighted / 12.75)
    assert results().mean_score is None
    assert not any(isinstance(each.heard, HeardEmotion) for each in SCORED)

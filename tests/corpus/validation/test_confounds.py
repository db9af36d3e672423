import pandas as pd
import pytest

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.synthetic.plan import plan
from merflow.corpus.validation.confounds import Confound, confounds_of, side_in_words


def rows(counts: dict[tuple[str, str, str], int], *, sessions: int = 2) -> pd.DataFrame:
    """So many utterances of (emotion, side, gender) in every session."""
    table = [
        {"session": f"Session{session}", "emotion": emotion, "video_side": side, "gender": gender}
        for session in range(1, sessions + 1)
        for (emotion, side, gender), count in counts.items()
        for _ in range(count)
    ]
    return pd.DataFrame(table)


COUNTS = {
    ("angry", "left", "F"): 6,
    ("angry", "right", "F"): 2,
    ("neutral", "left", "M"): 8,
    ("neutral", "right", "M"): 12,
}


def test_shares_and_baselines_are_those_of_the_other_sessions() -> None:
    side, gender = confounds_of(rows(COUNTS))
    assert side == Confound(
        name="side of the picture",
        values=("left", "right"),
        shares={"angry": {"left": 0.75, "right": 0.25}, "neutral": {"left": 0.4, "right": 0.6}},
        utterances=56,
        majority_ua=0.5,  # neutral is more frequent on either side
        balanced_ua=(0.75 + 0.6) / 2,
        chance=0.5,
    )
    assert (gender.majority_ua, gender.balanced_ua) == (1.0, 1.0)


def test_the_side_in_words() -> None:
    shares = "share of turns on the left of the picture, where markers are worn: angry 75%, neutral 40%; "
    assert side_in_words(confounds_of(rows(COUNTS))) == (
        shares + "the side alone predicts the emotion with UA 67.5% (chance 50.0%)"
    )
    told = side_in_words(confounds_of(rows(COUNTS, sessions=1)))
    assert told == shares + "with one session, the side alone cannot be tested as a predictor"
    assert side_in_words(()) is None


def test_the_tested_session_takes_no_part() -> None:
    one = rows({("angry", "left", "F"): 3, ("neutral", "right", "F"): 3}, sessions=1)
    other = rows({("angry", "right", "F"): 3, ("neutral", "left", "F"): 3}, sessions=1).assign(session="Session2")
    (side,) = confounds_of(pd.concat([one, other]))
    assert (side.majority_ua, side.balanced_ua) == (0.0, 0.0)


def test_a_value_that_no_other_session_has_gets_the_most_frequent_class() -> None:
    one = rows({("angry", "left", "F"): 1, ("neutral", "left", "F"): 3}, sessions=1)
    other = rows({("neutral", "right", "F"): 2}, sessions=1).assign(session="Session2")
    (side,) = confounds_of(pd.concat([one, other]))
    assert side.majority_ua == 0.5


def test_one_session_has_shares_but_no_baseline() -> None:
    side, _ = confounds_of(rows(COUNTS, sessions=1))
    assert side.shares["angry"]["left"] == 0.75
    assert (side.majority_ua, side.balanced_ua) == (None, None)


def test_corpora_without_sides_and_utterances_without_emotion_are_left_out() -> None:
    assert confounds_of(rows(COUNTS).assign(video_side=None)) == ()
    assert confounds_of(rows(COUNTS).assign(emotion=None)) == ()
    whole = rows(COUNTS)
    unlabelled = whole.assign(emotion=None, video_side="left")
    assert confounds_of(pd.concat([whole, unlabelled])) == confounds_of(whole)


def test_the_full_release_has_iemocaps_skew() -> None:
    classes = taxonomy("iemocap4")
    turns = [
        {
            "session": str(dialogue.name.session),
            "video_side": "left" if turn.letter == dialogue.name.recording else "right",
            "gender": turn.letter,
            "emotion": classes.emotion_of(turn.code),
        }
        for dialogue in plan("full", 0)
        for turn in dialogue.turns
    ]
    side, _ = confounds_of(pd.DataFrame(turns))
    left = {name: round(100 * shares["left"], 1) for name, shares in side.shares.items()}
    assert left == {"angry": 57.2, "happy": 54.2, "neutral": 35.5, "sad": 60.7}
    assert side.utterances == 5531
    assert side.majority_ua == pytest.approx(0.297, abs=5e-4)
    assert side.balanced_ua == pytest.approx(0.313, abs=5e-4)

import numpy as np
import pandas as pd

from merflow.contracts.protocols import PARTS
from merflow.corpus.mosei_counts import MOSEI_COUNTS
from merflow.corpus.validation.known_counts import differences, verdict
from merflow.corpus.validation.mosei_release import MOSEI, compare_with_mosei


def as_counted() -> pd.DataFrame:
    """Return rows with exactly the known counts: whole scores, and fractions around 0 for the rest of its bin."""
    parts = []
    for part in PARTS:
        known = MOSEI_COUNTS[part]
        scores = np.repeat(np.arange(-3.0, 4.0), known.rounded)
        near_zero = np.flatnonzero(scores == 0)
        below = known.negative - int((scores < 0).sum())
        above = known.positive - int((scores > 0).sum())
        scores[near_zero[:below]], scores[near_zero[below : below + above]] = -1 / 3, 1 / 3
        videos = [f"{part}{number % known.videos}" for number in range(len(scores))]
        parts.append(pd.DataFrame({"dialogue_id": videos, "official_split": part, "sentiment": scores}))
    unlabelled = pd.DataFrame({"dialogue_id": ["train0"], "official_split": [None], "sentiment": [np.nan]})
    return pd.concat([*parts, unlabelled], ignore_index=True).assign(audio_path="a.wav")


def test_the_known_counts_agree_with_each_other() -> None:
    for known in MOSEI_COUNTS.values():
        assert known.negative + known.zero + known.positive == sum(known.rounded) == known.utterances
    assert sum(known.utterances for known in MOSEI_COUNTS.values()) == 22_856


def test_rows_as_they_were_counted_do_not_differ() -> None:
    compared = MOSEI.compare(as_counted())
    assert len(compared) == 1 + 3 * 12 + 1
    assert compared["expected"].tolist() == compared["found"].tolist()
    assert verdict(MOSEI, compared, accepted=[]) == ""


def test_each_difference_has_a_name_and_words() -> None:
    rows = as_counted()
    assert verdict(MOSEI, MOSEI.compare(rows.assign(audio_path=None)), accepted=[]) == (
        "this is not CMU-MOSEI as released: there is no recording (no Raw/Audio/Full/WAV_16000); the 22,856 scores "
        "match by count; restore what is missing, or continue with --set 'corpus.accept=[no-audio]', which records it, "
        "and models that read no audio"
    )
    rescored = differences(MOSEI, compare_with_mosei(rows.assign(sentiment=rows["sentiment"].replace(-3, -2))))
    first = "train utterances that round to -3: expected 311, found 0"
    assert rescored == {"other-scores": f"its scores are distributed differently ({first})"}
    moved = rows.assign(official_split=rows["official_split"].mask(rows.index == 0, "test"))
    found = compare_with_mosei(moved).set_index("what")
    assert found.loc["videos in two parts", ["difference", "expected", "found"]].tolist() == ["other-split", "0", "1"]
    assert found.loc["train utterances", "found"] == "16325"

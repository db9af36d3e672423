import pandas as pd
import pytest

from merflow.corpus.iemocap_counts import MERGED, iemocap_counts
from merflow.corpus.validation.iemocap_release import IEMOCAP, compare_with_release
from merflow.corpus.validation.known_counts import differences, verdict

ROWS = pd.DataFrame(
    {
        "utterance_id": ["Ses01F_impro01_F001", "Ses01F_impro01_F000", "Ses01F_impro01_M000"],
        "dialogue_id": "Ses01F_impro01",
        "session": "Session1",
        "speaker": ["Ses01_F", "Ses01_F", "Ses01_M"],
        "scripted": [False, False, None],
        "video_side": ["left", "left", None],
        "audio_path": ["a.wav", "b.wav", None],
        "emotion_raw": ["exc", "hap", "xxx"],
    }
)
FIVE = pd.concat([ROWS.assign(session=f"Session{number}") for number in range(1, 6)], ignore_index=True)


def test_the_known_counts_agree_with_each_other() -> None:
    known = iemocap_counts()
    labels, dialogues = known["labels_by_session"], known["turns_by_dialogue"]
    by_session = [sum(counts[number] for counts in labels.values()) for number in range(5)]
    assert by_session == [1819, 1811, 2136, 2103, 2170]
    for number, turns in enumerate(by_session, start=1):
        assert sum(count for name, count in dialogues.items() if name[4] == str(number)) == turns
        assert sum(count for name, count in known["turns_by_speaker"].items() if name[4] == str(number)) == turns
    assert (sum(by_session), len(dialogues)) == (10_039, 151)
    assert sum(count for name, count in dialogues.items() if "script" in name) == 5_255
    assert sum(sum(labels[code]) for code in MERGED) == 5531
    assert sum(sum(each.values()) for each in known["four_classes_by_speaker"].values()) == 5531


def test_counts_and_checksums_are_those_of_the_rows() -> None:
    found = compare_with_release(FIVE).set_index("what")["found"]

    assert found["Session1 turns labelled exc"] == "1"
    assert found["Session1 dialogues"] == "1"
    assert found["Ses01_F turns in class hap"] == "10"
    assert found["Ses01_M turns"] == "5"
    assert found["speakers"] == "Ses01_F, Ses01_M"
    assert found["turns of the marker wearer (left)"] == "10"
    assert found["checksum of all ids"] != found["checksum of the four classes' ids"]
    assert len(found) == 2 + 5 * 11 + 5 + 10 * 5 + 1 + 3 + 4


def with_differences(rows: pd.DataFrame, *what: str) -> pd.DataFrame:
    """Return a comparison in which only these counts differ."""
    compared = compare_with_release(rows)
    assert set(what) <= set(compared["what"])
    right = ~compared["what"].isin(what)
    return compared.assign(found=compared["found"].where(~right, compared["expected"]))


@pytest.mark.parametrize(
    ("what", "kind", "line"),
    [
        (
            "Session1 turns labelled fru",
            "rare-labels",
            "turns outside the four classes differ (Session1 turns labelled fru: expected 280, found 0); the 5,531 "
            "four-class ids and labels match; restore what is missing, or continue with --set "
            "'corpus.accept=[rare-labels]', which records it",
        ),
        (
            "recordings",
            "no-audio",
            "there is no recording (no sentences/wav); the 5,531 four-class ids and labels match; restore what is "
            "missing, or continue with --set 'corpus.accept=[no-audio]', which records it, and models that read text "
            "alone",
        ),
        (
            "Session2 turns labelled sad",
            "four-classes",
            "the four classes differ (Session2 turns labelled sad: expected 197, found 0); restore what is missing, or "
            "continue with --set 'corpus.accept=[four-classes]', which records it",
        ),
    ],
)
def test_the_verdict_says_what_is_wrong_and_right_and_how_to_continue(what: str, kind: str, line: str) -> None:
    compared = with_differences(FIVE.assign(audio_path=None), what)
    assert list(differences(IEMOCAP, compared)) == [kind]
    assert verdict(IEMOCAP, compared, accepted=[]) == f"this is not IEMOCAP as released: {line}"
    assert verdict(IEMOCAP, compared, accepted=[kind]) == ""


def test_a_release_without_a_session_is_compared_in_the_others() -> None:
    rows = FIVE[FIVE["session"] != "Session5"]
    compared = with_differences(rows, "sessions")
    assert not compared["what"].str.contains("Session5|Ses05|checksum").any()
    assert compared.set_index("what").loc["turns", "expected"] == "7869"
    assert verdict(IEMOCAP, compared, accepted=[]) == (
        "this is not IEMOCAP as released: Session5 is missing; the 4,290 four-class labels of Session1, "
        "Session2, Session3, Session4 match by count; restore what is missing, or continue with --set "
        "'corpus.accept=[missing-sessions]', which records it, and --protocol leave-one-session-out"
    )
    both = with_differences(rows, "sessions", "turns")
    assert "'corpus.accept=[missing-sessions,rare-labels]'" in verdict(IEMOCAP, both, accepted=["missing-sessions"])

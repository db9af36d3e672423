import pandas as pd

from merflow.corpus.validation import known_counts
from merflow.corpus.validation.known_counts import compare_with_release


def test_the_tables_of_known_counts_agree_with_each_other() -> None:
    by_session = [sum(counts[number] for counts in known_counts.LABELS_BY_SESSION.values()) for number in range(5)]
    speakers = list(known_counts.TURNS_BY_SPEAKER.values())

    assert by_session == [1819, 1811, 2136, 2103, 2170]
    assert [speakers[2 * number][-1] + speakers[2 * number + 1][-1] for number in range(5)] == by_session
    assert sum(by_session) == known_counts.TURNS == 10_039
    assert sum(known_counts.DIALOGUES_BY_SESSION) == 151
    merged = [sum(speaker[place] for speaker in speakers) for place in range(4)]
    totals = {code: sum(counts) for code, counts in known_counts.LABELS_BY_SESSION.items()}
    assert merged == [totals["ang"], totals["hap"] + totals["exc"], totals["neu"], totals["sad"]]
    assert sum(merged) == 5531


def test_counts_and_checksums_are_those_of_the_rows() -> None:
    rows = pd.DataFrame(
        {
            "utterance_id": ["Ses01F_impro01_F001", "Ses01F_impro01_F000", "Ses01F_impro01_M000"],
            "dialogue_id": "Ses01F_impro01",
            "session": "Session1",
            "speaker": ["Ses01_F", "Ses01_F", "Ses01_M"],
            "scripted": [False, False, None],
            "video_side": ["left", "left", None],
            "emotion_raw": ["exc", "hap", "xxx"],
        }
    )
    found = compare_with_release(rows).set_index("what")["found"]

    assert found["Session1 turns labelled exc"] == "1"
    assert found["Session1 dialogues"] == "1"
    assert found["Ses01_F turns in class hap"] == "2"
    assert found["Ses01_M turns"] == "1"
    assert found["speakers"] == "Ses01_F, Ses01_M"
    assert found["turns of the marker wearer (left)"] == "2"
    # printf 'Ses01F_impro01_F000\\thap\\nSes01F_impro01_F001\\thap\\n' | sha256sum
    assert found["checksum of the four classes"] == "62532b02f779a263c8c34e7d718cda34d1d2dc1c81afb3c096099596f1fe8516"
    assert found["checksum of all ids"] != found["checksum of the four classes' ids"]
    assert len(found) == 5 * 11 + 5 + 1 + 10 * 5 + 1 + 3 + 4

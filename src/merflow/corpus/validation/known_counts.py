"""Known counts and checksums of the real IEMOCAP release, to compare an indexed release with.

They come from the id and label lists of two public benchmarks and from one published inventory, which agree. No
utterance, label or transcript of the release itself is stored here.
"""

import hashlib
from collections.abc import Iterable, Iterator

import pandas as pd

# Code -> turns of Session1 .. Session5.
LABELS_BY_SESSION = {
    "ang": (229, 137, 240, 327, 170),
    "dis": (1, 0, 1, 0, 0),
    "exc": (143, 210, 151, 238, 299),
    "fea": (12, 9, 2, 7, 10),
    "fru": (280, 325, 382, 481, 381),
    "hap": (135, 117, 135, 65, 143),
    "neu": (384, 362, 320, 258, 384),
    "oth": (1, 1, 0, 1, 0),
    "sad": (194, 197, 305, 143, 245),
    "sur": (25, 17, 28, 19, 18),
    "xxx": (415, 436, 572, 564, 520),
}

# Speaker -> turns labelled ang, hap or exc, neu, sad, and turns with any label.
TURNS_BY_SPEAKER = {
    "Ses01_F": (147, 132, 171, 78, 873),
    "Ses01_M": (82, 146, 213, 116, 946),
    "Ses02_F": (67, 166, 135, 113, 859),
    "Ses02_M": (70, 161, 227, 84, 952),
    "Ses03_F": (92, 128, 130, 172, 1048),
    "Ses03_M": (148, 158, 190, 133, 1088),
    "Ses04_F": (205, 185, 76, 62, 987),
    "Ses04_M": (122, 118, 182, 81, 1116),
    "Ses05_F": (78, 159, 221, 132, 1033),
    "Ses05_M": (92, 283, 163, 113, 1137),
}

DIALOGUES_BY_SESSION = (28, 30, 32, 30, 31)
TURNS = 10_039
TURNS_SCRIPTED = 5_255
TURNS_OF_MARKER_WEARER = 5_088  # the left half of the picture

# SHA-256 of the sorted lines, each ended by a line feed.
SHA256_IDS = "cc2d0fd090a6603d9b25ae60ebb85268851281340d46735aad0b6373da31ef87"
SHA256_IDS_4CLASS = "c3532591dc59b0ec0efd2b67553f2a045a96a0f8879ae172d5a4fc713dbc0baa"
SHA256_RAW_4CLASS = "74a5ae5a845499bebb266ae894015c57a1e26f7684255d93455b73ceade309f2"  # id TAB code
SHA256_MERGED_4CLASS = "95532f4b2cc500676531d786b6fb838197dedfa864cfd35199c48ec89b6eb01a"  # the same, exc as hap

MERGED = {"ang": "ang", "exc": "hap", "hap": "hap", "neu": "neu", "sad": "sad"}  # the usual four classes


def compare_with_release(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare a manifest of the release with every known count and checksum.

    Args:
        rows: Manifest rows whose ``emotion_raw`` holds the release's three-letter codes.

    Returns:
        A table with the text columns ``what``, ``expected`` and ``found``, and one row per count.
    """
    counts = [*_by_session(rows), *_by_speaker(rows), *_totals(rows), *_checksums(rows)]
    return pd.DataFrame(counts, columns=["what", "expected", "found"]).astype("str")


def _by_session(rows: pd.DataFrame) -> Iterator[tuple[str, object, object]]:
    sessions = [f"Session{digit}" for digit in range(1, 6)]
    found = rows.groupby(["session", "emotion_raw"]).size()
    for code, expected in LABELS_BY_SESSION.items():
        for session, turns in zip(sessions, expected, strict=True):
            yield f"{session} turns labelled {code}", turns, found.get((session, code), 0)
    dialogues = rows.groupby("session")["dialogue_id"].nunique()
    for session, number in zip(sessions, DIALOGUES_BY_SESSION, strict=True):
        yield f"{session} dialogues", number, dialogues.get(session, 0)
    yield "sessions", ", ".join(sessions), ", ".join(sorted(rows["session"].unique()))


def _by_speaker(rows: pd.DataFrame) -> Iterator[tuple[str, object, object]]:
    merged = rows.groupby(["speaker", rows["emotion_raw"].map(MERGED)]).size()
    turns = rows["speaker"].value_counts()
    for speaker, (*classes, all_turns) in TURNS_BY_SPEAKER.items():
        for code, expected in zip(("ang", "hap", "neu", "sad"), classes, strict=True):
            yield f"{speaker} turns in class {code}", expected, merged.get((speaker, code), 0)
        yield f"{speaker} turns", all_turns, turns.get(speaker, 0)
    yield "speakers", ", ".join(TURNS_BY_SPEAKER), ", ".join(sorted(rows["speaker"].unique()))


def _totals(rows: pd.DataFrame) -> Iterator[tuple[str, object, object]]:
    yield "turns", TURNS, len(rows)
    yield "scripted turns", TURNS_SCRIPTED, int(rows["scripted"].eq(True).sum())
    yield "turns of the marker wearer (left)", TURNS_OF_MARKER_WEARER, int(rows["video_side"].eq("left").sum())


def _checksums(rows: pd.DataFrame) -> Iterator[tuple[str, object, object]]:
    merged = rows["emotion_raw"].map(MERGED)
    four = rows[merged.notna()]
    ids = four["utterance_id"]
    yield "checksum of all ids", SHA256_IDS, _sha256(rows["utterance_id"])
    yield "checksum of the four classes' ids", SHA256_IDS_4CLASS, _sha256(ids)
    yield "checksum of the four classes' codes", SHA256_RAW_4CLASS, _sha256(ids + "\t" + four["emotion_raw"])
    yield "checksum of the four classes", SHA256_MERGED_4CLASS, _sha256(ids + "\t" + merged.dropna())


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()

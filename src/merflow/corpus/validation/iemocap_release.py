"""Comparison of an indexed IEMOCAP release with the known counts, with a name for each kind of difference."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from merflow.contracts.params import AcceptedDifference
from merflow.corpus.iemocap_counts import MERGED, SESSIONS, iemocap_counts
from merflow.corpus.validation.known_counts import Count, KnownRelease, table_of

# SHA-256 of the sorted lines, each ended by a line feed.
SHA256_IDS = "cc2d0fd090a6603d9b25ae60ebb85268851281340d46735aad0b6373da31ef87"
SHA256_IDS_4CLASS = "c3532591dc59b0ec0efd2b67553f2a045a96a0f8879ae172d5a4fc713dbc0baa"
SHA256_RAW_4CLASS = "74a5ae5a845499bebb266ae894015c57a1e26f7684255d93455b73ceade309f2"  # id TAB code
SHA256_MERGED_4CLASS = "95532f4b2cc500676531d786b6fb838197dedfa864cfd35199c48ec89b6eb01a"  # the same, exc as hap


def compare_with_release(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare a manifest of the release with every known count and checksum of the sessions that it has.

    Args:
        rows: Manifest rows whose ``emotion_raw`` holds the release's three-letter codes.

    Returns:
        See :class:`~merflow.corpus.validation.known_counts.KnownRelease`.
    """
    present = [session for session in SESSIONS if session in set(rows["session"])]
    counts = [
        ("missing-sessions", "sessions", ", ".join(SESSIONS), ", ".join(present)),
        ("no-audio", "recordings", "some", "some" if rows["audio_path"].notna().any() else "none"),
        *_by_session(rows, present),
        *_by_speaker(rows, present),
        *_totals(rows, present),
        *(_checksums(rows) if len(present) == len(SESSIONS) else ()),
    ]
    return table_of(counts)


def _missing(compared: pd.DataFrame) -> list[str]:
    present = compared.loc[compared["difference"] == "missing-sessions", "found"].iloc[0].split(", ")
    return [name for name in SESSIONS if name not in present]


def _in_words(difference: str, first: str, compared: pd.DataFrame) -> str:
    missing = _missing(compared)
    return {
        "missing-sessions": f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing",
        "no-audio": "there is no recording (no sentences/wav)",
        "four-classes": f"the four classes differ ({first})",
        "rare-labels": f"turns outside the four classes differ ({first})",
    }[difference]


def _match(compared: pd.DataFrame) -> str:
    labels = compared[compared["difference"] == "four-classes"]
    if not labels["expected"].equals(labels["found"]):
        return ""
    missing = _missing(compared)
    present = [name for name in SESSIONS if name not in missing]
    labels = iemocap_counts()["labels_by_session"]
    total = sum(labels[code][SESSIONS.index(name)] for code in MERGED for name in present)
    if missing:
        return f"the {total:,} four-class labels of {', '.join(present)} match by count"
    return f"the {total:,} four-class ids and labels match"


def _by_session(rows: pd.DataFrame, present: Sequence[str]) -> Iterator[Count]:
    found = rows.groupby(["session", "emotion_raw"]).size()
    for code, expected in iemocap_counts()["labels_by_session"].items():
        kind: AcceptedDifference = "four-classes" if code in MERGED else "rare-labels"
        for session in present:
            turns = expected[SESSIONS.index(session)]
            yield kind, f"{session} turns labelled {code}", turns, found.get((session, code), 0)
    dialogues = rows.groupby("session")["dialogue_id"].nunique()
    names = iemocap_counts()["turns_by_dialogue"]
    for session in present:
        expected = sum(name[4] == session[-1] for name in names)
        yield "rare-labels", f"{session} dialogues", expected, dialogues.get(session, 0)


def _by_speaker(rows: pd.DataFrame, present: Sequence[str]) -> Iterator[Count]:
    merged = rows.groupby(["speaker", rows["emotion_raw"].map(MERGED)]).size()
    turns = rows["speaker"].value_counts()
    known = iemocap_counts()
    speakers = {f"{name[:5]}_{name[5]}": name for name in known["turns_by_speaker"] if f"Session{name[4]}" in present}
    for speaker, name in speakers.items():
        for code, expected in known["four_classes_by_speaker"][name].items():
            yield "four-classes", f"{speaker} turns in class {code}", expected, merged.get((speaker, code), 0)
        yield "rare-labels", f"{speaker} turns", known["turns_by_speaker"][name], turns.get(speaker, 0)
    yield "rare-labels", "speakers", ", ".join(speakers), ", ".join(sorted(rows["speaker"].unique()))


def _totals(rows: pd.DataFrame, present: Sequence[str]) -> Iterator[Count]:
    known = iemocap_counts()
    turns = {name: count for name, count in known["turns_by_dialogue"].items() if f"Session{name[4]}" in present}
    scripted = sum(count for name, count in turns.items() if "script" in name)
    yield "rare-labels", "turns", sum(turns.values()), len(rows)
    yield "rare-labels", "scripted turns", scripted, int(rows["scripted"].eq(True).sum())
    if len(present) == len(SESSIONS):
        left = int(rows["video_side"].eq("left").sum())
        yield "rare-labels", "turns of the marker wearer (left)", known["turns_of_marker_wearer"], left


def _checksums(rows: pd.DataFrame) -> Iterator[Count]:
    merged = rows["emotion_raw"].map(MERGED)
    four = rows[merged.notna()]
    ids = four["utterance_id"]
    yield "rare-labels", "checksum of all ids", SHA256_IDS, _sha256(rows["utterance_id"])
    yield "four-classes", "checksum of the four classes' ids", SHA256_IDS_4CLASS, _sha256(ids)
    codes = ids + "\t" + four["emotion_raw"]
    yield "four-classes", "checksum of the four classes' codes", SHA256_RAW_4CLASS, _sha256(codes)
    classes = ids + "\t" + merged.dropna()
    yield "four-classes", "checksum of the four classes", SHA256_MERGED_4CLASS, _sha256(classes)


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()


IEMOCAP = KnownRelease(
    name="IEMOCAP",
    compare=compare_with_release,
    in_words=_in_words,
    match=_match,
    advice={
        "missing-sessions": "--protocol leave-one-session-out",
        "no-audio": "models that read text alone",
    },
)

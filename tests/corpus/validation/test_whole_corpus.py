"""Problems of a corpus as a whole, the summary of many problems, and corpora that validation refuses."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import build_manifest
from merflow.corpus.readers.table import read_utterance_table
from merflow.corpus.validation.expectations import validate
from merflow.corpus.validation.outcome import describe
from merflow.corpus.validation.summary import write_summary
from merflow.errors import CorpusError
from tests.corpus.validation.two_sessions import PARAMS, TURNS, Row, checked, corpus_rows, details, write_recordings
from tests.real_data import EMODB_TABLE, needs_emodb

pytest.importorskip("great_expectations")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_recordings(tmp_path / "corpus")


def with_row(utterance_id: str, **changes: object) -> list[Row]:
    return [row | changes if row["utterance_id"] == utterance_id else row for row in corpus_rows()]


def test_the_page_shows_how_well_the_side_alone_predicts(root: Path) -> None:
    sides = {"ang": "left", "hap": "left", "exc": "left", "neu": "right", "sad": "left", "xxx": "right"}
    rows = [row | {"video_side": sides[row["emotion_raw"]]} for row in corpus_rows()]
    outcome = checked(root, rows)
    side, gender = outcome.figures.confounds
    assert outcome.success
    assert side.balanced_ua == 0.5  # neutral on the right, one of the others on the left
    assert (gender.chance, gender.utterances) == (0.25, 10)
    write_summary(outcome, root.parent / "summary.html")
    page = (root.parent / "summary.html").read_text()
    assert "Confounds: side and gender" in page
    assert page.count("50.0%") >= 1
    write_summary(checked(root), root.parent / "summary.html")
    assert "Confounds: side and gender" not in (root.parent / "summary.html").read_text()


def test_a_dialogue_without_audio_is_named_and_a_corpus_without_transcripts_passes(root: Path) -> None:
    for path in root.glob("*.wav"):
        path.unlink()
    outcome = checked(root, [row | {"transcript": None} for row in corpus_rows()])

    assert details(outcome) == [
        (f"d{session}_{turn}", f"dialogue d{session} has no audio in any of its 6 turns; restore it")
        for session in (1, 2)
        for turn in range(TURNS)
    ]
    assert describe(outcome).splitlines()[:2] == [
        "12 problems in 12 utterances",
        "  d1_0 and 5 more: dialogue d1 has no audio in any of its 6 turns; restore it [every dialogue has audio]",
    ]
    assert (outcome.figures.durations, outcome.figures.empty_transcripts) == ({}, None)
    write_summary(outcome, root.parent / "summary.html")


def test_of_many_problems_of_one_kind_the_first_are_listed(root: Path) -> None:
    for path in sorted(root.glob("*.wav"))[:7]:
        path.write_bytes(b"")
    lines = describe(checked(root, corpus_rows())).splitlines()

    assert len(lines) == 1 + 5 + 1
    assert lines[1].startswith("  d1_0: recording d1_0.wav is empty (the file has 0 bytes); copy it again")
    assert lines[-1] == "  and 2 more [no recording is empty]"


def test_a_corpus_without_audio_passes_and_equal_ids_are_set_aside_together(root: Path) -> None:
    rows = [row | {"audio_path": None, "n_samples": None, "rate_hz": None} for row in corpus_rows()]
    rows[1]["utterance_id"] = "d1_0"
    outcome = checked(root, rows)

    assert details(outcome) == [("d1_0", "the id d1_0 occurs more than once; rename or remove one")] * 2
    good, bad = outcome.quarantine()
    assert (len(good.rows), len(bad)) == (10, 2)
    assert outcome.figures.durations["all"].longest_s == pytest.approx(0.5)  # from the turns' times


def test_problems_of_the_corpus_as_a_whole_stay_when_rows_are_set_aside(root: Path) -> None:
    rows = [row | ({"speaker": "S1_F"} if row["speaker"] == "S2_M" else {}) for row in with_row("d1_0", session="S9")]
    outcome = checked(root, rows)

    assert details(outcome) == [
        (None, "speaker S1_F appears in 3 sessions (S9, Session1, Session2); give it one"),
        (None, "speaker S1_F has more than one gender (F, M); correct the column 'gender'"),
        (None, "dialogue d1 is in 2 sessions (S9, Session1); give it one"),
    ]
    assert len(outcome.corpus_problems) == 3
    good, bad = outcome.quarantine()
    assert (len(good.rows), len(bad)) == (12, 0)


def test_a_release_is_compared_with_its_known_counts_and_one_speaker_is_too_few(root: Path) -> None:
    rows = [row | {"speaker": "Ses01_F", "gender": "F", "session": "Session1"} for row in corpus_rows()]
    outcome = checked(root, rows, corpus="iemocap")
    found = [detail for _, detail in details(outcome)]

    assert any(detail.startswith("the corpus has fewer than two speakers, so no fold can be sp") for detail in found)
    assert "turns: expected 1819, found 12" in found
    assert "Session1 turns labelled neu: expected 384, found 2" in found
    assert "sessions: expected Session1, Session2, Session3, Session4, Session5, found Session1" in found
    assert outcome.verdict.startswith(
        "this is not IEMOCAP as released: Session2, Session3, Session4, Session5 are missing, and the four"
    )
    assert len(outcome.problems) == len(outcome.corpus_problems)


def test_a_manifest_without_rows_is_refused(root: Path) -> None:
    manifest = build_manifest(corpus_rows(), root=root, corpus="table", taxonomy="iemocap4")
    empty = replace(manifest, rows=manifest.rows.iloc[:0])
    with pytest.raises(CorpusError, match="has no utterances; index the corpus again"):
        validate(empty, params=PARAMS, docs=root.parent / "docs")


def test_a_missing_library_is_named_with_the_extra(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "great_expectations", None)
    with pytest.raises(CorpusError, match=r"pip install 'merflow\[validation\]'"):
        checked(root)


@needs_emodb
def test_emodb_passes(tmp_path: Path) -> None:
    emodb = read_utterance_table(EMODB_TABLE, taxonomy=taxonomy("iemocap4"))
    outcome = validate(emodb, params=PARAMS, docs=tmp_path / "docs")

    assert outcome.success, describe(outcome)
    assert outcome.figures.emotions == {"angry": 127, "happy": 71, "neutral": 79, "sad": 62, "no class": 0}
    assert pd.Series({name: sum(counts.values()) for name, counts in outcome.figures.sessions.items()}).sum() == 339

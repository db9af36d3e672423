from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.contracts.taxonomy import TAXONOMIES
from merflow.corpus.manifest import Manifest
from merflow.corpus.readers.table import read_utterance_table
from merflow.errors import CorpusError, LabelError
from tests.real_data import EMODB_TABLE, needs_emodb

HEADER = "utterance_id,speaker,session,audio_path,transcript,emotion\n"


def table(folder: Path, text: str | bytes) -> Path:
    path = folder / "utterances.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes) -> Manifest:
    return read_utterance_table(table(folder, text), taxonomy=TAXONOMIES["iemocap4"])


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(CorpusError) as caught:
        read(folder, text)
    return str(caught.value)


def test_needed_columns_alone(tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    soundfile.write(tmp_path / "wav/u2.wav", np.zeros((800, 2)), 8000)
    text = HEADER + "u2,07,S1,wav/u2.wav,Hello there.,excited\r\n\r\nu1,08,S2,wav/none.wav,,\n"
    found = read(tmp_path, text)
    rows = found.rows
    assert (found.corpus, found.taxonomy.name, found.root) == ("table", "iemocap4", tmp_path)
    assert rows["utterance_id"].tolist() == rows["dialogue_id"].tolist() == ["u1", "u2"]
    assert rows["turn_index"].tolist() == [0, 0]
    assert rows["speaker"].tolist() == ["08", "07"]
    assert rows["emotion_raw"].isna().tolist() == [True, False]
    assert rows.loc[1, ["emotion_raw", "emotion", "transcript"]].tolist() == ["excited", "happy", "Hello there."]
    assert rows["audio_path"].tolist() == ["wav/none.wav", "wav/u2.wav"]
    assert rows["n_samples"].isna().tolist() == [True, False]
    assert (rows.loc[1, "n_samples"], rows.loc[1, "rate_hz"]) == (800, 8000)
    empty = ("gender", "scripted", "start_s", "end_s", "video_path", "video_side", "asr_transcript", "valence")
    assert rows[list(empty)].isna().all(axis=None)


def test_every_column(tmp_path: Path) -> None:
    text = (
        "\ufeffduration_s, utterance_id ,dialogue_id,speaker,gender,session,audio_path,video_path,video_side,"
        "transcript,asr_transcript,emotion,start_s,end_s,turn_index,scripted,valence,activation,dominance,\n"
        '9,"u,1",d,s1,Female,A,./a/../u.wav,v.avi,LEFT,'
        '"She said ""no"",\nthen left.",she said no,sad,1.5,2.75,3,yes,1,2.5,5,\n'
        "9,u2,d,s2,m,A,b.wav,,,,,oth,3,4,4,0,,,,\n"
        "9,u3,d,s3,unknown,A,c.wav,,,,,neutral,4,5,5,,,,,\n"
    )
    rows = read(tmp_path, text).rows
    assert rows["utterance_id"].tolist() == ["u,1", "u2", "u3"]
    assert rows["turn_index"].tolist() == [3, 4, 5]
    assert rows["gender"].tolist()[:2] == ["F", "M"]
    assert rows["gender"].isna().tolist() == [False, False, True]
    assert rows["scripted"].tolist() == [True, False, None]
    assert rows["emotion"].fillna("none").tolist() == ["sad", "none", "neutral"]
    first = rows.loc[0]
    assert first["transcript"] == 'She said "no", then left.'
    assert first["asr_transcript"] == "she said no"
    assert (first["audio_path"], first["video_path"], first["video_side"]) == ("a/../u.wav", "v.avi", "left")
    assert first[["start_s", "end_s", "valence", "activation", "dominance"]].tolist() == [1.5, 2.75, 1.0, 2.5, 5.0]


def test_a_corpus_of_text_has_no_audio(tmp_path: Path) -> None:
    rows = read(tmp_path, "utterance_id,speaker,session,transcript,emotion\nu,s,A,Hm.,neu\n").rows
    assert rows[["audio_path", "video_path", "n_samples", "rate_hz"]].isna().all(axis=None)
    assert rows["emotion"].tolist() == ["neutral"]


def test_notes_of_transcribers_stay(tmp_path: Path) -> None:
    header = "utterance_id,speaker,session,transcript,emotion\n"
    rows = read(tmp_path, f"{header}u,s,A,[LAUGHTER]  Well.,neu\nv,s,A,[BREATH],neu\n").rows
    assert rows["transcript"].tolist() == ["[LAUGHTER] Well.", "[BREATH]"]


def test_turns_are_counted_by_start_time(tmp_path: Path) -> None:
    text = "utterance_id,dialogue_id,speaker,session,transcript,emotion,start_s\n"
    text += "a,d,s,A,x,sad,5\nb,d,s,A,x,sad,1\nc,e,s,A,x,sad,9\nd,e,s,A,x,sad,\n"
    rows = read(tmp_path, text).rows
    assert rows["utterance_id"].tolist() == ["b", "a", "c", "d"]
    assert rows["turn_index"].tolist() == [0, 1, 0, 1]


def test_an_absolute_path_below_the_file_becomes_relative(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + f"u,s,A,{tmp_path}/wav/u.wav,x,sad\n").rows
    assert rows["audio_path"].tolist() == ["wav/u.wav"]
    message = refusal(tmp_path, HEADER + "u,s,A,/elsewhere/u.wav,x,sad\n")
    assert f"line 2 (u): audio_path /elsewhere/u.wav is outside {tmp_path}; write paths relative" in message


def test_unreadable_recordings_are_left_to_validation(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "b.raw").write_bytes(bytes(8))
    (tmp_path / "c.wav").mkdir()
    rows = read(tmp_path, HEADER + "a,s,A,a.wav,,sad\nb,s,A,b.raw,,sad\nc,s,A,c.wav,,sad\n").rows
    assert rows["audio_path"].tolist() == ["a.wav", "b.raw", "c.wav"]
    assert rows["n_samples"].isna().all()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("speaker", "utterances.csv lacks the required column 'speaker'; its header is utterance_id,who,"),
        ("emotion", "utterances.csv lacks the required column 'emotion'"),
    ],
)
def test_a_missing_column(tmp_path: Path, column: str, message: str) -> None:
    assert message in refusal(tmp_path, HEADER.replace(column, "who") + "u,s,A,u.wav,x,sad\n")


def test_a_misspelt_column_is_named(tmp_path: Path) -> None:
    header = HEADER.replace("emotion", "emotoin")
    message = refusal(tmp_path, header + "u,s,A,u.wav,x,sad\n")
    assert message.endswith(
        "utterances.csv lacks the required column 'emotion' ('emotoin' may be a misspelling); "
        f"its header is {header.strip()}"
    )


def test_all_missing_columns_are_reported_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "id,speaker,label\nu,s,sad\n")
    assert message.endswith(
        "lacks the required columns 'utterance_id', 'session', 'emotion', 'audio_path' or 'transcript'; "
        "its header is id,speaker,label"
    )


def test_no_content_column(tmp_path: Path) -> None:
    message = refusal(tmp_path, "utterance_id,speaker,session,emotion,audio_file\nu,s,A,sad,u.wav\n")
    assert (
        "utterances.csv lacks the required column 'audio_path' or 'transcript' ('audio_file' may be a misspelling)"
        in message
    )


def test_an_unknown_label(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"utterances\.csv line 3 \(v\): label 'angri' .*did you mean 'angry'\?"):
        read(tmp_path, HEADER + "u,s,A,u.wav,x,sad\nv,s,A,v.wav,x,angri\n")


def test_a_duplicate_id(tmp_path: Path) -> None:
    message = refusal(tmp_path, HEADER + 'u,s,A,u.wav,"two\nlines",sad\nv,s,A,v.wav,x,sad\nu,s,A,u.wav,x,sad\n')
    assert "line 5 (u): the id is also in line 2" in message


def test_all_bad_rows_are_reported_at_once_and_equal_complaints_as_one(tmp_path: Path) -> None:
    rows = "u,s,A,u.wav,x,angri\nv,s,A,v.wav,x,sad\nv,s,A,w.wav,x,sad\nw,s,A,w.wav,x,angri\n,s,A,w.wav,x,sad\n"
    with pytest.raises(LabelError) as caught:
        read(tmp_path, HEADER + rows)
    path = tmp_path / "utterances.csv"
    head, *lines = str(caught.value).splitlines()
    assert head == "4 of 5 rows are wrong"
    assert [line[: line.index(": ")] for line in lines] == [
        f"  {path} line 2 (u) and 1 more",
        f"  {path} line 4 (v)",
        f"  {path} line 6 (no utterance_id)",
    ]


@pytest.mark.parametrize("column", ["utterance_id", "speaker", "session"])
def test_an_empty_needed_cell(tmp_path: Path, column: str) -> None:
    cells = {"utterance_id": "u", "speaker": "s", "session": "A"} | {column: "  "}
    assert f"{column} is empty" in refusal(tmp_path, HEADER + ",".join(cells.values()) + ",u.wav,x,sad\n")


def test_latin_1(tmp_path: Path) -> None:
    text = (HEADER + "u,s,A,u.wav,x,sad\nv,s,A,v.wav,schön,sad\n").encode("latin-1")
    place = text.index(b"\xf6")
    assert f"not UTF-8: byte 0xf6 at position {place}, line 3" in refusal(tmp_path, text)
    marked = b"\xef\xbb\xbf" + text
    assert f"byte 0xf6 at position {place + 3}, line 3" in refusal(tmp_path, marked)
    assert "save the file as UTF-8" in refusal(tmp_path, HEADER.encode("utf-16"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "utterances.csv is empty"),
        ("\n \n", "utterances.csv is empty"),
        (HEADER, "has a header but no utterance"),
        (HEADER.replace(",", ";"), "not separated by commas"),
        (HEADER.replace("transcript", "speaker"), "columns speaker appear twice"),
        (HEADER + "u,s,A,u.wav,Yes, I do,sad\n", "line 2: 7 cells under 6 columns; put quotes"),
        (HEADER + "u,s,A\n", "line 2: 3 cells under 6 columns"),
        (HEADER + 'u,s,A,u.wav,"never closed,sad\n', "line 2 is malformed"),
    ],
)
def test_a_malformed_file(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("start_s", "soon", "line 2 (u): start_s 'soon' is not a number; leave unknown cells empty"),
        ("valence", "nan", "valence 'nan' is not a number"),
        ("scripted", "maybe", "scripted 'maybe' is unknown"),
        ("video_side", "lefty", "video_side 'lefty' is unknown; did you mean 'left'?"),
        ("turn_index", "-1", "turn_index '-1' is not a turn number; give all rows one, or none"),
        ("turn_index", "99999999999", "turn_index '99999999999'"),
    ],
)
def test_a_cell_that_does_not_parse(tmp_path: Path, column: str, cell: str, message: str) -> None:
    text = f"utterance_id,speaker,session,transcript,emotion,{column}\nu,s,A,x,sad,{cell}\n"
    assert message in refusal(tmp_path, text)


def test_turn_indices_are_complete_and_unique(tmp_path: Path) -> None:
    header = "utterance_id,dialogue_id,speaker,session,transcript,emotion,turn_index\n"
    assert "line 3 (v): turn_index ''" in refusal(tmp_path, header + "u,d,s,A,x,sad,0\nv,d,s,A,x,sad,\n")
    message = refusal(tmp_path, header + "u,d,s,A,x,sad,7\nv,d,s,A,x,sad,7\n")
    assert "line 3 (v): turn 7 of dialogue d is also in line 2" in message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such file: .*none\.csv"):
        read_utterance_table(tmp_path / "none.csv", taxonomy=TAXONOMIES["iemocap4"])
    with pytest.raises(CorpusError, match="is a folder; pass the CSV file"):
        read_utterance_table(tmp_path, taxonomy=TAXONOMIES["iemocap4"])


@needs_emodb
def test_berlin_database() -> None:
    rows = read_utterance_table(EMODB_TABLE, taxonomy=TAXONOMIES["iemocap4"]).rows
    assert len(rows) == 339
    assert rows["emotion"].value_counts().to_dict() == {"angry": 127, "happy": 71, "neutral": 79, "sad": 62}
    assert rows["speaker"].nunique() == 10
    assert rows["session"].nunique() == 5
    assert set(rows["gender"]) == {"F", "M"}
    assert rows["rate_hz"].unique().tolist() == [16000]
    assert rows["n_samples"].min() > 16000
    assert rows["video_path"].isna().all()

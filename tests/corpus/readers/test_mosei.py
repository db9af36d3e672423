from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest, recording_of
from merflow.corpus.readers.mosei import RECORDINGS, TRANSCRIPTS, VIDEOS, read_mosei
from merflow.corpus.samples import Excerpt
from merflow.errors import CorpusError

HEADER = "video_id,clip_id,text,label,annotation,mode"
LABELS = (
    '-aB_c,2,"words, and more",1.6666667,Positive,train',
    "-aB_c,0,first,0,Neutral,train",
    "-aB_c,5,nowhere,-1,Negative,train",
    "other,1,hello,-2.5,Negative,valid",
    "third,0,bye,3,Positive,test",
)
CLIPS = {
    "-aB_c": (
        "-aB_c___2___1.5___2.75___Words  and   more___and more.",
        "-aB_c___0___-0.25___0.5___First.",
        "-aB_c___1___0.5___1.5___Nobody rated this.",
    ),
    "other": ("other___1___0.25___4.5___",),
    "third": ("third___0___0___1___Bye.",),
    "unrated": ("unrated___0___0___1___Left out.",),
}
SECONDS = 4.0
RATE_HZ = 16_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a release of three labelled videos, the last of which has no recording."""
    for folder in (TRANSCRIPTS, RECORDINGS, VIDEOS):
        (tmp_path / folder).mkdir(parents=True)
    for video, lines in CLIPS.items():
        (tmp_path / TRANSCRIPTS / f"{video}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / TRANSCRIPTS / "._other.txt").write_bytes(b"\xff\x00")
    for video in ("-aB_c", "other"):
        soundfile.write(tmp_path / RECORDINGS / f"{video}.wav", np.zeros(round(SECONDS * RATE_HZ)), RATE_HZ)
    write_labels(tmp_path, LABELS)
    return tmp_path


def write_labels(root: Path, rows: Sequence[str], *, header: str = HEADER) -> None:
    (root / "label.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def read(root: Path) -> Manifest:
    return read_mosei(root, taxonomy=taxonomy("iemocap4"))


def rows_of(root: Path) -> pd.DataFrame:
    return read(root).rows.set_index("utterance_id", drop=False)


def test_each_clip_is_a_turn_of_its_video(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    manifest = read(root)
    rows = manifest.rows
    assert (manifest.corpus, set(rows["corpus"]), set(rows["session"])) == ("mosei", {"mosei"}, {"mosei"})
    assert rows["utterance_id"].tolist() == ["-aB_c_0", "-aB_c_1", "-aB_c_2", "-aB_c_5", "other_1", "third_0"]
    assert rows["turn_index"].tolist() == [0, 1, 2, 3, 0, 0]
    assert rows["speaker"].tolist() == rows["dialogue_id"].tolist() == ["-aB_c"] * 4 + ["other", "third"]
    assert rows["official_split"].fillna("none").tolist() == ["train", "none", "train", "train", "dev", "test"]
    assert rows["sentiment"].fillna(9).tolist() == [0.0, 9.0, 1.6666667, -1.0, -2.5, 3.0]
    assert rows[["emotion", "emotion_raw", "gender", "valence"]].isna().all(axis=None)
    said = capfd.readouterr().err
    assert "1 videos with a transcript have no labelled clip; they are left out" in said
    assert "1 of 6 clips have no label" in said
    assert "2 clips began or ended up to 1 s outside their recording" in said
    assert "1 clips have other words in label.csv than in the transcripts" in said  # "words, and more" and more


def test_words_are_those_of_the_transcript_or_else_of_the_label(root: Path) -> None:
    words = rows_of(root)["transcript"]
    assert words["-aB_c_2"] == "Words and more___and more."
    assert words["-aB_c_1"] == "Nobody rated this."
    assert (words["other_1"], words["-aB_c_5"]) == ("hello", "nowhere")


def test_utterances_are_parts_of_the_full_recordings(root: Path) -> None:
    rows = rows_of(root)
    assert rows.loc["-aB_c_2", "audio_path"] == "Raw/Audio/Full/WAV_16000/-aB_c.wav"
    assert rows["audio_of_dialogue"].tolist() == [True, True, True, None, True, True]
    assert recording_of(rows.loc["-aB_c_2"].to_dict(), root=root) == Excerpt(root / RECORDINGS / "-aB_c.wav", 1.5, 2.75)
    counted = rows["n_samples"].fillna(-1).tolist()
    assert counted == [8_000, 16_000, 20_000, -1, 60_000, -1]  # none where times or recording are missing
    assert rows.loc["-aB_c_0", ["start_s", "end_s"]].tolist() == [0.0, 0.5]
    assert rows.loc["other_1", ["start_s", "end_s"]].tolist() == [0.25, 4.0]
    assert rows["video_path"].isna().all()


def test_a_kind_of_media_that_any_clip_has_is_expected_of_every_clip(root: Path) -> None:
    (root / VIDEOS / "other.mp4").write_bytes(b"film")
    rows = rows_of(root)
    assert rows.loc["third_0", "video_path"] == "Raw/Videos/Full/Combined/third.mp4"
    assert rows.loc["-aB_c_5", ["audio_path", "video_path", "end_s"]].isna().all()  # it has no times
    for path in (root / RECORDINGS).iterdir():
        path.unlink()
    rows = rows_of(root)
    assert rows[["audio_path", "audio_of_dialogue", "n_samples"]].isna().all(axis=None)
    assert rows.loc["other_1", "end_s"] == 4.5


def test_lines_of_another_form_are_skipped_with_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = root / TRANSCRIPTS / "third.txt"
    lines = ("third___0___1.0___words", "third___x___0___1___a", "third___0___soon___1___a", "other___0___0___1___a")
    path.write_text("\n".join(lines), encoding="utf-8")
    row = rows_of(root).loc["third_0"]
    assert row[["start_s", "end_s", "audio_path"]].isna().all()
    assert row["transcript"] == "bye"
    skipped = [record.getMessage() for record in caplog.records]
    assert len(skipped) == 4
    assert skipped[0].startswith(f"{path} line 1 is not of the form third___clip___start___end___text; it is skipped:")


def test_a_transcript_may_be_missing_or_latin_1(root: Path) -> None:
    (root / TRANSCRIPTS / "third.txt").unlink()
    (root / TRANSCRIPTS / "other.txt").write_bytes("other___1___0___1___caf\xe9".encode("latin-1"))
    rows = rows_of(root)
    assert (rows.loc["third_0", "turn_index"], rows.loc["other_1", "transcript"]) == (0, "caf\xe9")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["v,1,,x,,train"], r"label.csv line 2 \(v 1\): label 'x' is not a number; leave unknown cells empty"),
        (["v,1,,1,,tests"], r"line 2 \(v 1\): mode 'tests' is unknown; did you mean 'test'"),
        (["v,one,,1,,test"], r"line 2 \(v one\): clip_id 'one' is not the number of a clip; correct it"),
        ([f"v,{'9' * 5000},,1,,test"], r"clip_id '9+' is not the number of a clip; correct it"),
        (["../../v,1,,1,,test"], r"line 2 .*: video_id '../../v' is not the name of a video; correct it"),
        (["v\x1b[31m,1,,1,,test"], r"video_id 'v\\x1b\[31m' is not the name of a video; correct it"),
        ([",1,,1,,test"], r"line 2 \(no video_id 1\): video_id is empty; every label needs its clip"),
        (["v,1,,1,,test", "v,01,,2,,test"], r"line 3 \(v 01\): the clip is also in line 2; remove one"),
        (["v,1,,x,,test", "w,1,,1,,no", "v,2,,x,,test"], "3 of 3 rows are wrong\n.*line 2 .* and 1 more: label 'x'"),
    ],
)
def test_wrong_rows_of_the_label_table_are_listed(root: Path, rows: list[str], message: str) -> None:
    write_labels(root, rows)
    with pytest.raises(CorpusError, match=message):
        read(root)


def test_a_folder_without_transcripts_labels_or_columns_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is not a CMU-MOSEI release: it has no folder Raw/Transcript/Segmented/Comb"):
        read(root / "Raw")
    write_labels(root, ["v,1,test"], header="video_id,clip_id,mode")
    with pytest.raises(CorpusError, match=r"label.csv lacks the columns label; its header is video_id,clip_id,mode"):
        read(root)
    (tmp_path / "label.csv").unlink()
    with pytest.raises(CorpusError, match=r"no such file: .*label.csv; the raw release has no table of labels, so"):
        read(root)

import pickle
import shutil
from pathlib import Path

import pandas as pd
import pytest

from merflow.contracts.params import Params
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.readers.catalogue import reader
from merflow.corpus.readers.mosei_pickle import read_mosei_pickle
from merflow.corpus.synthetic.mosei_pickles import FILES
from merflow.errors import CorpusError, ValidationFailedError
from merflow.jobs.index import index
from merflow.jobs.validate import validate


def read(path: Path) -> Manifest:
    return read_mosei_pickle(path, taxonomy=taxonomy("iemocap4"))


def test_a_row_has_video_clip_words_part_and_sentiment(mosei_pickles: Path) -> None:
    manifest = read(mosei_pickles / FILES["aligned"])
    part = pickle.loads((mosei_pickles / FILES["aligned"]).read_bytes())["valid"]
    rows = manifest.rows.set_index("utterance_id")
    for name, text, label in zip(part["id"], part["raw_text"], part["regression_labels"], strict=True):
        video, clip = name.split("$_$")
        row = rows.loc[f"{video}_{clip}"]
        assert (row["dialogue_id"], row["speaker"], row["turn_index"]) == (video, video, int(clip))
        assert (row["transcript"], row["sentiment"], row["official_split"]) == (text, label, "dev")
    assert manifest.rows["official_split"].value_counts().to_dict() == {"train": 60, "dev": 20, "test": 20}
    assert manifest.rows[["audio_path", "video_path", "emotion", "emotion_raw"]].isna().all(axis=None)
    assert manifest.root == mosei_pickles / FILES["aligned"]


def test_both_files_hold_the_same_utterances(mosei_pickles: Path) -> None:
    aligned, unaligned = (read(mosei_pickles / name) for name in FILES.values())
    pd.testing.assert_frame_equal(aligned.rows, unaligned.rows)
    assert aligned.hash == unaligned.hash


def test_the_name_of_a_generated_corpus_says_so(mosei_pickles: Path, tmp_path: Path) -> None:
    assert read(mosei_pickles / FILES["aligned"]).corpus == "synthetic-mosei-pickle"
    shutil.copy(mosei_pickles / FILES["aligned"], tmp_path / "aligned_50.pkl")
    assert read(tmp_path / "aligned_50.pkl").corpus == "mosei-pickle"


def test_a_folder_and_a_missing_file_are_refused(mosei_pickles: Path) -> None:
    for path in (mosei_pickles, mosei_pickles / "missing.pkl"):
        with pytest.raises(CorpusError, match=f"cannot read {path}"):
            read(path)


def validated(path: Path, corpus: str, folder: Path, params: Params) -> Path:
    manifest = index(path, corpus=corpus, out=folder / "manifest.parquet", params=params.corpus)
    return validate(
        manifest,
        out=folder / "validated.parquet",
        summary=folder / "summary.html",
        docs=folder / "docs",
        params=params.corpus,
    )


def test_validation_reports_shapes_and_missing_audio_values(
    mosei_pickles: Path, tmp_path: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validated(mosei_pickles / FILES["unaligned"], "synthetic-mosei-pickle", tmp_path, params).is_file()
    page, said = (tmp_path / "summary.html").read_text(), capsys.readouterr().err
    for note in (
        "the features are unaligned: audio 60x74, vision 50x35, text 20x32",
        "5 audio values are -inf or NaN and are read as 0",
    ):
        assert note in page
        assert note in said
    assert "features.profile=mosei reads the features that came with it" in said


def test_a_file_with_other_counts_than_the_real_one_fails_validation(
    mosei_pickles: Path, tmp_path: Path, params: Params
) -> None:
    shutil.copy(mosei_pickles / FILES["aligned"], tmp_path / "aligned_50.pkl")
    with pytest.raises(
        ValidationFailedError, match=r"not CMU-MOSEI as released: .*train utterances: expected 16326, found 60"
    ):
        validated(tmp_path / "aligned_50.pkl", "mosei-pickle", tmp_path, params)


def test_the_fingerprint_changes_with_the_file(mosei_pickles: Path, tmp_path: Path) -> None:
    fingerprint = reader("mosei-pickle").fingerprint
    path = tmp_path / "aligned_50.pkl"
    shutil.copy(mosei_pickles / FILES["aligned"], path)
    before = fingerprint(path)
    path.write_bytes(path.read_bytes() + b"x")
    assert fingerprint(path) != before

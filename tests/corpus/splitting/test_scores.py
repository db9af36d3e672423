"""Splits of scores."""

from pathlib import Path

import pytest

from merflow.contracts.split_params import SplitParams
from merflow.corpus.manifest import Manifest, write_manifest
from merflow.corpus.splitting.splits import ids, make_splits, read_splits, write_splits
from merflow.errors import SplitError
from merflow.jobs.split import split
from tests.corpus.splitting.five_sessions import Row, changed, corpus_rows, manifest_of, params


def rated(row: Row) -> Row:
    """Return a valence for every turn but each sixth, in steps of a half from 1 to 5."""
    return {"valence": None if row["turn_index"] % 6 == 5 else 1 + (row["turn_index"] % 9) / 2}


def of_valence(**changes: object) -> SplitParams:
    return params(task="valence", **changes)


def test_they_hold_the_utterances_with_a_score_whatever_their_emotion() -> None:
    manifest = changed(rated)
    splits = make_splits(manifest, params=of_valence())
    rows = manifest.rows
    assert set(splits.rows["utterance_id"]) == set(rows.loc[rows["valence"].notna(), "utterance_id"])
    assert rows.loc[rows["utterance_id"].isin(splits.rows["utterance_id"]), "emotion"].isna().any()
    assert len(splits.folds) == 5
    for fold in splits.folds:
        assert not set(fold.speakers["train"]) & set(fold.speakers["test"])
        assert list(fold.counts["test"]) == ["1", "2", "3", "4", "5"]
        assert sum(fold.counts["test"].values()) == len(ids(splits, fold=fold.fold, part="test"))


@pytest.mark.parametrize("development", ["speaker", "session", "random"])
def test_development_data_have_low_and_high_scores(development: str) -> None:
    splits = make_splits(changed(rated), params=of_valence(development=development))
    for fold in splits.folds:
        assert fold.scores["dev"].deviation > 0.5
    if development != "random":
        assert all(fold.drawn is not None and fold.drawn.per_class == 5 for fold in splits.folds)


def test_nobody_with_low_middle_and_high_scores_is_an_error() -> None:
    one_sided = changed(lambda row: {"valence": 1.0 + 4 * (row["speaker"][-1] == "F")})
    with pytest.raises(SplitError, match=r"none of the 8 training speakers has utterances in every third of the score"):
        make_splits(one_sided, params=of_valence())


def test_a_score_off_the_scale_is_named() -> None:
    off = changed(lambda row: {**rated(row), **({"valence": 5.5} if row["utterance_id"] == "d10_F004" else {})})
    with pytest.raises(SplitError, match=r"a valence off the scale from 1 to 5, for example d10_F004 with 5.5; "):
        make_splits(off, params=of_valence())


def test_a_task_that_the_corpus_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(SplitError, match=r"a value in the column 'sentiment'; .*: --task emotion or valence$"):
        make_splits(changed(rated), params=params(task="sentiment"))
    unlabelled = changed(lambda row: {**rated(row), "emotion": None})
    with pytest.raises(SplitError, match=r"an emotion of taxonomy iemocap4; label .*: --task valence$"):
        make_splits(unlabelled, params=params())


def test_auto_is_recorded_as_the_usual_task(tmp_path: Path) -> None:
    write_manifest(manifest_of(corpus_rows()), tmp_path / "manifest.parquet")
    usual, named = (
        split(tmp_path / "manifest.parquet", out=tmp_path / f"{task}.parquet", params=params(task=task))
        for task in ("auto", "emotion")
    )
    assert read_splits(tmp_path / "auto.parquet").params.task == "emotion"
    assert usual.split_id == named.split_id


def test_tasks_have_splits_of_their_own() -> None:
    manifest = changed(lambda row: {**rated(row), "activation": rated(row)["valence"]})
    valence, activation = (make_splits(manifest, params=params(task=task)) for task in ("valence", "activation"))
    assert valence.rows.equals(activation.rows)
    assert valence.split_id != activation.split_id


def test_a_file_from_before_tasks_is_of_emotions(tmp_path: Path) -> None:
    import json

    import pyarrow.parquet as pq

    splits = make_splits(manifest_of(corpus_rows()), params=params())
    write_splits(splits, tmp_path / "splits.parquet")
    table = pq.read_table(tmp_path / "splits.parquet")
    recorded = json.loads(table.schema.metadata[b"params"])
    assert recorded.pop("task") == "emotion"
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, b"params": json.dumps(recorded).encode()}),
        tmp_path / "earlier.parquet",
    )
    read = read_splits(tmp_path / "earlier.parquet")
    assert (read.params.task, read.split_id) == ("emotion", splits.split_id)


def test_the_corpus_own_parts_are_taken_for_scores_too() -> None:
    parts = ("train", "train", "dev", "test", "test")
    manifest: Manifest = changed(
        lambda row: {**rated(row), "official_split": parts[int(row["session"][-1]) - 1], "emotion": None}
    )
    (fold,) = make_splits(manifest, params=of_valence(protocol="official")).folds
    assert fold.official_development
    assert {part: sum(counts.values()) for part, counts in fold.counts.items()} == {
        "train": 160,
        "dev": 80,
        "test": 160,
    }


def test_the_summary_shows_the_distribution(tmp_path: Path) -> None:
    write_splits(make_splits(changed(rated), params=of_valence()), tmp_path / "splits.parquet")
    page = (tmp_path / "splits.md").read_text()
    assert "- Task: valence\n" in page
    assert "| fold | part | 1 | 2 | 3 | 4 | 5 | all | mean | SD |" in page
    assert "utterances in every third of the scores" in page

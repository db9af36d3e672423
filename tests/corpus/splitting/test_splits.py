from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from merflow.contracts.protocols import DEVELOPMENTS, PROTOCOLS
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.readers.table import read_utterance_table
from merflow.corpus.splitting.splits import ids, make_splits, read_splits, write_splits
from merflow.errors import CorpusError, SplitError
from tests.corpus.splitting.five_sessions import Row, corpus_rows, manifest_of, params
from tests.real_data import EMODB_TABLE, needs_emodb


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return manifest_of(rows_with_official_split())


def rows_with_official_split() -> list[Row]:
    return [{**row, "official_split": "test" if row["session"] == "Session5" else "train"} for row in corpus_rows()]


def test_written_splits_are_read_back(manifest: Manifest, tmp_path: Path) -> None:
    splits = make_splits(manifest, params=params(protocol="speaker-10fold", development="random", seed=4))
    write_splits(splits, tmp_path / "splits.parquet")
    found = read_splits(tmp_path / "splits.parquet")

    pd.testing.assert_frame_equal(found.rows, splits.rows)
    assert (found.params, found.folds, found.manifest_hash) == (splits.params, splits.folds, manifest.hash)
    assert (found.protocol, found.development, found.seed) == ("speaker-10fold", "random", 4)
    assert found.split_id == splits.split_id
    first = (tmp_path / "splits.parquet").read_bytes()
    write_splits(found, tmp_path / "splits.parquet")
    assert (tmp_path / "splits.parquet").read_bytes() == first


def test_the_summary_shows_speakers_counts_and_shared_ones(manifest: Manifest, tmp_path: Path) -> None:
    splits = make_splits(manifest, params=params(protocol="speaker-10fold"))
    write_splits(splits, tmp_path / "folds.parquet")
    text = (tmp_path / "folds.md").read_text()

    assert f"# Splits {splits.split_id}" in text
    assert "| 1 | S2_F, S2_M, S3_F, S3_M, S4_F, S4_M, S5_F, S5_M | S1_M | S1_F |" in text
    assert text.count(" | train | ") == 11  # a heading, and a row a fold
    assert "| 1 | 50.0% | 100.0% | 0.0% | 0 | 4 | 0 |" in text
    assert "- Development data: a dialogue partner of a test speaker, or else one random training speaker with" in text
    assert "| 1 | S1_M | 8 | 16 | 8 | 8 | 9 of 9 with at least 5 of every class |" in text


def test_the_summary_shows_what_an_official_split_shares(tmp_path: Path) -> None:
    rows = rows_with_official_split()
    rows[0] |= {"official_split": "test"}
    splits = make_splits(manifest_of(rows), params=params(protocol="official", shared_speakers="record"))
    write_splits(splits, tmp_path / "splits.parquet")
    text = (tmp_path / "splits.md").read_text()
    assert "- speakers in both train and test, 1: S1_F" in text
    assert "- dialogues in both train and test, 1: d10" in text
    assert "No speaker" not in text
    assert read_splits(tmp_path / "splits.parquet").folds == splits.folds


def test_the_id_covers_rows_and_settings(manifest: Manifest) -> None:
    splits = make_splits(manifest, params=params())
    fewer = replace(splits, rows=splits.rows.iloc[1:])
    other = replace(splits, params=params(seed=9))
    unused = replace(splits, params=params(random_share=0.5))

    assert len({splits.split_id, fewer.split_id, other.split_id}) == 3
    assert unused.split_id == splits.split_id


def test_a_changed_file_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "splits.parquet"
    write_splits(make_splits(manifest, params=params()), path)
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(SplitError, match="was changed after it was written"):
        read_splits(path)
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(SplitError, match="lacks the parameters of its folds"):
        read_splits(path)
    pq.write_table(table.drop_columns(["part"]), path)
    with pytest.raises(SplitError, match=r"contains no splits.*missing columns"):
        read_splits(path)
    with pytest.raises(CorpusError, match="no such file"):
        read_splits(tmp_path / "none.parquet")


def test_ids_name_a_fold_that_there_is(manifest: Manifest) -> None:
    splits = make_splits(manifest, params=params())
    assert len(ids(splits, fold=5, part="test")) == 80
    with pytest.raises(SplitError, match="no fold 6; session-5fold has folds 1 to 5"):
        ids(splits, fold=6, part="test")


@needs_emodb
def test_emodb_splits_by_session_and_by_speaker() -> None:
    emodb = read_utterance_table(EMODB_TABLE, taxonomy=taxonomy("iemocap4"))

    for protocol, folds in (("session-5fold", 5), ("speaker-10fold", 10)):
        splits = make_splits(emodb, params=params(protocol=protocol))
        assert len(splits.folds) == folds
        assert (splits.rows["part"] == "test").sum() == 339


@pytest.mark.parametrize("development", DEVELOPMENTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_settings_give_equal_folds_whatever_the_order_of_the_corpus(
    manifest: Manifest, protocol: str, development: str
) -> None:
    settings = params(protocol=protocol, development=development)
    first = make_splits(manifest, params=settings)
    shuffled = manifest_of(
        list(np.random.default_rng(1).permutation(np.array(rows_with_official_split(), dtype=object)))
    )
    second = make_splits(shuffled, params=settings)

    pd.testing.assert_frame_equal(first.rows, second.rows)
    assert first.split_id == second.split_id
    assert first.rows[["fold", "utterance_id"]].apply(tuple, axis=1).is_monotonic_increasing


@pytest.mark.parametrize("development", DEVELOPMENTS)
def test_the_seed_chooses_the_development_data_and_nothing_else(manifest: Manifest, development: str) -> None:
    choices, identities = set(), set()
    for seed in range(6):
        splits = make_splits(manifest, params=params(development=development, seed=seed))
        choices.add(tuple(tuple(ids(splits, fold=fold, part="dev")) for fold in range(1, 6)))
        identities.add(splits.split_id)
        rows = splits.rows[splits.rows["part"] == "test"]
        assert rows["fold"].value_counts().tolist() == [80] * 5
    assert len(choices) == 6
    assert len(identities) == 6

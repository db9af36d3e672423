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
from tests.corpus.splitting.five_sessions import corpus_rows, manifest_of, params

EMODB = Path(__file__).parents[2] / "../shared/data/emodb"


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return manifest_of(corpus_rows())


def test_written_splits_come_back(manifest: Manifest, tmp_path: Path) -> None:
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


def test_the_summary_tells_speakers_counts_and_what_is_shared(manifest: Manifest, tmp_path: Path) -> None:
    splits = make_splits(manifest, params=params(protocol="speaker-10fold"))
    write_splits(splits, tmp_path / "folds.parquet")
    text = (tmp_path / "folds.md").read_text()

    assert f"# Splits {splits.split_id}" in text
    assert "| 1 | S2_F, S2_M, S3_F, S3_M, S4_F, S4_M, S5_F, S5_M | S1_M | S1_F |" in text
    assert text.count(" | train | ") == 11  # a heading, and a row a fold
    assert "| 1 | 50.0% | 100.0% | 0.0% | 0 | 4 | 0 |" in text


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
    with pytest.raises(SplitError, match=r"holds no splits.*missing columns"):
        read_splits(path)
    with pytest.raises(CorpusError, match="no such file"):
        read_splits(tmp_path / "none.parquet")


def test_ids_name_a_fold_that_there_is(manifest: Manifest) -> None:
    splits = make_splits(manifest, params=params())
    assert len(ids(splits, fold=5, part="test")) == 80
    with pytest.raises(SplitError, match="no fold 6; session-5fold has folds 1 to 5"):
        ids(splits, fold=6, part="test")


@pytest.mark.skipif(not EMODB.is_dir(), reason="needs the EmoDB table")
def test_emodb_splits_by_session_and_by_speaker() -> None:
    emodb = read_utterance_table(EMODB / "utterances.csv", taxonomy=taxonomy("iemocap4"))

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
    shuffled = manifest_of(list(np.random.default_rng(1).permutation(np.array(corpus_rows(), dtype=object))))
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

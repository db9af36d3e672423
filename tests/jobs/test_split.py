"""Splits by the usual protocol of a corpus: the same file as if the protocol had been named."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from merflow.contracts.params import Params
from merflow.contracts.protocols import Protocol
from merflow.contracts.split_params import SplitParams
from merflow.corpus.synthetic.mosei_pickles import FILES
from merflow.errors import SplitError
from merflow.jobs.index import index
from merflow.jobs.split import split


@pytest.fixture(scope="module")
def usual(params: Params) -> SplitParams:
    """Return the shipped parameters of splits."""
    return params.splits.model_copy(update={"protocol": "auto"})


@pytest.fixture(scope="module")
def roots(tiny_release: Path, tiny_table: Path, tiny_mosei: Path, mosei_pickles: Path) -> Mapping[str, Path]:
    releases = {"iemocap": tiny_release, "table": tiny_table, "mosei": tiny_mosei}
    return {**releases, "mosei-pickle": mosei_pickles / FILES["unaligned"]}


def written(folder: Path, name: str) -> tuple[bytes, bytes]:
    return (folder / f"{name}.parquet").read_bytes(), (folder / f"{name}.md").read_bytes()


@pytest.mark.parametrize(
    ("corpus", "protocol"),
    [
        ("iemocap", "session-5fold"),
        ("table", "session-5fold"),
        ("mosei", "official"),
        ("mosei-pickle", "official"),
    ],
)
def test_the_usual_protocol_gives_the_files_of_the_named_one(
    corpus: str, protocol: Protocol, roots: Mapping[str, Path], usual: SplitParams, params: Params, tmp_path: Path
) -> None:
    manifest = tmp_path / "manifest.parquet"
    index(roots[corpus], corpus=corpus, out=manifest, params=params.corpus)
    auto = split(manifest, out=tmp_path / "auto.parquet", params=usual)
    named = split(manifest, out=tmp_path / "named.parquet", params=usual.model_copy(update={"protocol": protocol}))
    assert (auto.params, auto.split_id) == (named.params, named.split_id)
    assert auto.params.protocol == protocol
    assert set(auto.rows["protocol"]) == {protocol}
    assert written(tmp_path, "auto") == written(tmp_path, "named")


def test_a_table_with_one_session_is_split_by_its_speakers(
    tiny_table: Path, usual: SplitParams, params: Params, tmp_path: Path
) -> None:
    table = tmp_path / "utterances.csv"
    pd.read_csv(tiny_table, dtype=str).assign(session="1").to_csv(table, index=False)
    index(table, corpus="table", out=tmp_path / "manifest.parquet", params=params.corpus)
    splits = split(tmp_path / "manifest.parquet", out=tmp_path / "splits.parquet", params=usual)
    assert (splits.protocol, len(splits.folds)) == ("k-fold", 5)
    named = usual.model_copy(update={"protocol": "session-5fold"})
    with pytest.raises(SplitError, match=r"session-5fold needs exactly 5 sessions .* the corpus has 1 \(1\)"):
        split(tmp_path / "manifest.parquet", out=tmp_path / "splits.parquet", params=named)


def test_a_named_protocol_that_does_not_suit_the_corpus_is_refused(
    tiny_mosei: Path, usual: SplitParams, params: Params, tmp_path: Path
) -> None:
    index(tiny_mosei, corpus="mosei", out=tmp_path / "manifest.parquet", params=params.corpus)
    named = usual.model_copy(update={"protocol": "session-5fold"})
    with pytest.raises(SplitError) as caught:
        split(tmp_path / "manifest.parquet", out=tmp_path / "splits.parquet", params=named)
    assert str(caught.value) == (
        "protocol 'session-5fold' does not suit corpus 'synthetic-mosei'; set splits.protocol to official or k-fold"
    )

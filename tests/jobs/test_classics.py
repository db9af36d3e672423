from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.classics import ClassicRecord, classic_predictions, classics_on, read_predictions
from merflow.contracts.params import ClassicsParams, CorpusParams
from merflow.contracts.params_files import shipped_params
from merflow.corpus.manifest import write_manifest
from merflow.corpus.splitting.splits import write_splits
from merflow.errors import EvaluationError, FeatureError
from merflow.jobs.classics import classics
from tests.classics.corpora import corpus_of_words, splits_of

WORDS = ClassicsParams(words=True, audio=True, opensmile="off")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write a manifest of words and its splits."""
    folder = tmp_path_factory.mktemp("words")
    manifest = corpus_of_words(folder)
    write_manifest(manifest, folder / "manifest.parquet")
    write_splits(splits_of(manifest), folder / "splits.parquet")
    return folder / "manifest.parquet", folder / "splits.parquet"


def _run(data: tuple[Path, Path], out: Path, params: ClassicsParams = WORDS) -> tuple[ClassicRecord, ...]:
    corpus: CorpusParams = shipped_params().corpus
    return classics(
        data[0], splits=data[1], out=out, cache=out.with_name("functionals"), params=params, corpus=corpus, workers=1
    )


def test_a_corpus_without_recordings_has_classics_of_words(data: tuple[Path, Path], tmp_path: Path) -> None:
    records = _run(data, tmp_path)
    assert [record.name for record in records] == ["tfidf", "tfidf-context", "tfidf-unseen-lines"]
    assert [record.leak for record in records] == [False, False, True]
    table = read_predictions(tmp_path, ["tfidf"])
    assert len(table) == 80
    assert table["utterance_id"].is_unique
    np.testing.assert_allclose([sum(row) for row in table["probabilities"]], 1.0, atol=1e-6)


def test_what_is_finished_is_kept_and_what_is_not_asked_for_goes(data: tuple[Path, Path], tmp_path: Path) -> None:
    first = _run(data, tmp_path)
    written = {record.name: (tmp_path / record.name / "classic.json").stat().st_mtime_ns for record in first}
    assert _run(data, tmp_path) == first
    assert written == {name: (tmp_path / name / "classic.json").stat().st_mtime_ns for name in written}
    assert _run(data, tmp_path, WORDS.model_copy(update={"words": False})) == ()
    assert classics_on(tmp_path, split_id=first[0].split_id) == ()
    assert classic_predictions(tmp_path, ()) is None


def test_classics_of_other_splits_are_refused(data: tuple[Path, Path], tmp_path: Path) -> None:
    _run(data, tmp_path)
    with pytest.raises(EvaluationError, match=r"was trained on splits .* run `merflow classics` again"):
        classics_on(tmp_path, split_id="0123456789abcdef")
    with pytest.raises(EvaluationError, match=r"no such folder: .*nowhere; write the classics"):
        classics_on(tmp_path / "nowhere", split_id="0123456789abcdef")


def test_splits_of_another_manifest_are_refused(data: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    write_manifest(corpus_of_words(tmp_path, lines=12), other)
    with pytest.raises(EvaluationError, match=r"was made from manifest .* split it again"):
        _run((other, data[1]), tmp_path / "classics")


def test_a_missing_opensmile_is_named_with_its_licence(
    data: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merflow.classics.opensmile_sets.find_spec", lambda _: None)
    from merflow.classics.opensmile_sets import check_installed

    with pytest.raises(FeatureError, match=r"install merflow\[opensmile\] if its licence allows your use"):
        check_installed()
    _run(data, tmp_path, WORDS.model_copy(update={"opensmile": "auto"}))

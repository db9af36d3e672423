"""A preset that asks for recognized words: the words it gets, and their mention in every result."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.params import Params, Transcripts
from merflow.contracts.results import Results
from merflow.contracts.score_results import of_emotions
from merflow.contracts.streams import Stream
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.corpus.transcript import words_of
from merflow.errors import EvaluationError, FeatureError
from merflow.features.batches.standardize import STANDARDIZER, Standardizer
from merflow.folds.datasets import stored_dataset
from merflow.folds.inputs import FoldInputs
from merflow.inference.prediction import predict
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.models import MODELS
from merflow.models.context_mmt import ContextMMTConfig
from merflow.models.folder import load_model
from merflow.runs.fold_folder import read_inspection, read_missing, read_predictions, read_record

VARIANT = "context-mmt:bert-fc-frozen"


@dataclass(frozen=True)
class Hearing(ContextMMTConfig):
    """Stands in for a model whose paper used recognized words."""

    def streams(self) -> tuple[Stream, ...]:
        return tuple(replace(stream, transcript="asr") for stream in super().streams())


@pytest.fixture(autouse=True)
def hearing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "context-mmt", MODELS["context-mmt"]._replace(config=Hearing))
        yield


@pytest.fixture(scope="module")
def true(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a manifest with true words only."""
    path = tmp_path_factory.mktemp("true") / "manifest.parquet"
    return index(tiny_release, corpus="iemocap", out=path, params=params.corpus)


@pytest.fixture(scope="module")
def heard(true: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same with recognized words: none in the first utterance, the last two words in the others."""
    manifest = read_manifest(true)
    texts = [" ".join(str(text).split()[-2:]) for text in manifest.rows["transcript"]]
    texts[0] = ""
    path = tmp_path_factory.mktemp("heard") / "manifest.parquet"
    write_manifest(replace(manifest, rows=manifest.rows.assign(asr_transcript=pd.Series(texts, dtype="str"))), path)
    return path


def features(manifest: Path, out: Path, params: Params, transcripts: Transcripts = "auto") -> Path:
    asked = params.features.model_copy(update={"transcripts": transcripts, "workers": 0})
    return extract(
        manifest, variants=[VARIANT], store=out / "store", out=out / "f.json", params=asked, corpus=params.corpus
    )


def trained(manifest: Path, out: Path, params: Params, transcripts: Transcripts = "auto") -> Path:
    split(manifest, out=out / "s.parquet", params=params.splits)
    return train(
        f"{VARIANT}:1",
        manifest=manifest,
        splits=out / "s.parquet",
        features=features(manifest, out, params, transcripts),
        out=out / "fold",
        checkpoints=out / "checkpoints",
        params=params.training,
    )


def results(manifest: Path, out: Path, params: Params, *folds: Path) -> Results:
    return of_emotions(
        evaluate(
            folds,
            manifest=manifest,
            splits=out / "s.parquet",
            results=out / "results.json",
            report=out / "report.html",
            name="words",
            command="merflow evaluate",
            params=params.evaluation,
        )
    )


def test_recognized_words_are_read_where_the_corpus_has_them(heard: Path, params: Params, tmp_path: Path) -> None:
    variant = results(heard, tmp_path, params, trained(heard, tmp_path, params)).variants[VARIANT]
    assert (variant.training.transcripts, variant.training.transcripts_of_preset) == ("asr", "asr")
    assert "the preset asks for" not in (tmp_path / "report.html").read_text()
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["transcripts"] == {"truth": "truth", "asr": "asr"}
    (stream,) = written["streams"]
    assert (stream["stream"]["transcript"], stream["entries"]) == ("asr", 68)  # the first, and one that is a tag alone


def test_words_that_a_report_may_show_of_a_fold_are_those_that_it_read(
    heard: Path, params: Params, tmp_path: Path
) -> None:
    rows = read_manifest(heard).rows.set_index("utterance_id", drop=False)
    for kind, column in TRANSCRIPT_COLUMNS.items():
        fold = trained(heard, tmp_path / kind, params, kind)
        inspection = read_inspection(fold)
        assert inspection is not None
        assert len(inspection.utterances) == 2
        for seen in inspection.utterances:
            assert not seen.words, "the fold's folder goes to MLflow"
            row = rows.loc[seen.utterance_id]
            assert words_of(row, read=read_record(fold).transcripts) == row[column]
    assert rows["transcript"].tolist() != rows["asr_transcript"].tolist()


def test_true_words_take_their_place_and_every_result_says_so(true: Path, params: Params, tmp_path: Path) -> None:
    variant = results(true, tmp_path, params, trained(true, tmp_path, params)).variants[VARIANT]
    assert (variant.training.transcripts, variant.training.transcripts_of_preset) == ("truth", "asr")
    page = (tmp_path / "report.html").read_text()
    assert "trained on reference transcripts; the preset asks for ASR transcripts" in page
    assert read_record(tmp_path / "fold").settings["transcripts"] == "truth"


def test_what_is_read_can_be_forced_and_decides_the_numbers(heard: Path, params: Params, tmp_path: Path) -> None:
    folds = {kind: trained(heard, tmp_path / kind, params, kind) for kind in ("truth", "asr")}
    records = {kind: read_record(fold) for kind, fold in folds.items()}
    assert {kind: record.transcripts for kind, record in records.items()} == {"truth": "truth", "asr": "asr"}
    assert records["truth"].encoder_keys != records["asr"].encoder_keys
    assert records["truth"].fingerprint != records["asr"].fingerprint
    one, other = (np.stack(pd.read_parquet(fold / "predictions.parquet")["probabilities"]) for fold in folds.values())
    assert not np.allclose(one, other)
    with pytest.raises(
        EvaluationError, match=r"on transcripts 'asr', but another fold of .* on 'truth'; train all folds"
    ):
        results(heard, tmp_path / "truth", params, *folds.values())


def test_recognized_words_of_a_corpus_without_any_are_an_error(true: Path, params: Params, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"has no 'asr_transcript' in any of its 70 .*`merflow data transcribe`"):
        features(true, tmp_path, params, "asr")
    assert not (tmp_path / "f.json").exists()


def test_a_model_is_also_tested_with_the_other_words(heard: Path, params: Params, tmp_path: Path) -> None:
    fold = trained(heard, tmp_path, params)
    variant = results(heard, tmp_path, params, fold).variants[VARIANT]
    assert list(variant.missing) == ["text=truth"], "trained on recognized words; the text is its only modality"
    figures = variant.missing["text=truth"]
    assert figures.delta_ua == pytest.approx(figures.ua.pooled - variant.ua.pooled)
    page = (tmp_path / "report.html").read_text()
    assert '<button type="button" class="sort">reference transcripts</button></th>' in page
    other, honest = read_missing(fold), read_predictions(fold)
    assert other is not None
    assert other["utterance_id"].tolist() == honest["utterance_id"].tolist()
    written = json.loads((tmp_path / "f.json").read_text())
    assert [each["stream"]["transcript"] for each in written["other_transcripts"]] == ["truth"]


def test_the_other_words_are_those_that_a_model_of_them_would_read(heard: Path, params: Params, tmp_path: Path) -> None:
    """The figures are those of the same model on features of the other words, standardized as it was trained."""
    fold = trained(heard, tmp_path, params, "truth")
    inputs = FoldInputs.read(
        f"{VARIANT}:1",
        manifest=heard,
        splits=tmp_path / "s.parquet",
        features=features(heard, tmp_path, params, "asr"),
        params=params.training,
    )
    standardizer = Standardizer.load(fold / "model" / STANDARDIZER)
    model, _ = load_model(fold / "model")
    expected = predict(
        model,
        stored_dataset(inputs, "test", standardizer=standardizer),
        task=inputs.task,
        batch_size=32,
        params=params.training,
    )
    found = read_missing(fold)
    assert found is not None
    assert set(found["missing"]) == {"text=asr"}
    assert np.array_equal(np.stack(found["probabilities"]), expected)
    assert not np.allclose(expected, np.stack(read_predictions(fold)["probabilities"]))


def test_one_kind_of_words_costs_and_shows_nothing_more(true: Path, params: Params, tmp_path: Path) -> None:
    fold = trained(true, tmp_path, params)
    assert read_missing(fold) is None
    written = json.loads((tmp_path / "f.json").read_text())
    assert (written["has_both_transcripts"], written["other_transcripts"], len(written["streams"])) == (False, [], 1)
    assert results(true, tmp_path, params, fold).variants[VARIANT].missing == {}


def test_features_that_do_not_say_so_are_extracted_again(heard: Path, params: Params, tmp_path: Path) -> None:
    split(heard, out=tmp_path / "s.parquet", params=params.splits)
    path = features(heard, tmp_path, params)
    written = json.loads(path.read_text())
    del written["has_both_transcripts"]
    path.write_text(json.dumps(written))
    with pytest.raises(
        FeatureError,
        match=r"is damaged; pass a file.*\n  has_both_transcripts: Field",
    ):
        FoldInputs.read(
            f"{VARIANT}:1", manifest=heard, splits=tmp_path / "s.parquet", features=path, params=params.training
        )

"""A preset that asks for recognised words: what it gets, and how every result tells of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.errors import EvaluationError, FeatureError
from merflow.contracts.params import Params, Transcripts
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.models import MODELS
from merflow.models.context_mmt import ContextMMTConfig

VARIANT = "context-mmt:bert-fc-frozen"


@dataclass(frozen=True)
class Hearing(ContextMMTConfig):
    """Stands in for a model whose paper used recognised words."""

    def streams(self) -> tuple[Stream, ...]:
        return tuple(replace(stream, transcript="asr") for stream in super().streams())


@pytest.fixture(autouse=True)
def hearing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "context-mmt", MODELS["context-mmt"]._replace(config=Hearing))
        yield


@pytest.fixture(scope="module")
def true(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest with true words alone."""
    path = tmp_path_factory.mktemp("true") / "manifest.parquet"
    return index(tiny_release, corpus="iemocap", out=path, params=params.corpus)


@pytest.fixture(scope="module")
def heard(true: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with words that a recogniser heard: none in the first utterance, the last two words in the others."""
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


def results(manifest: Path, out: Path, params: Params, *folds: Path) -> dict[str, Any]:
    return evaluate(
        folds,
        manifest=manifest,
        splits=out / "s.parquet",
        results=out / "results.json",
        report=out / "report.html",
        name="words",
        command="merflow evaluate",
        params=params.evaluation,
    )


def test_recognised_words_are_read_where_the_corpus_has_them(heard: Path, params: Params, tmp_path: Path) -> None:
    variant = results(heard, tmp_path, params, trained(heard, tmp_path, params))["variants"][VARIANT]
    assert (variant["transcripts"], variant["transcripts_of_preset"]) == ("asr", "asr")
    assert "the preset asks for" not in (tmp_path / "report.html").read_text()
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["transcripts"] == {"truth": "truth", "asr": "asr"}
    (stream,) = written["streams"]
    assert (stream["stream"]["transcript"], stream["entries"]) == ("asr", 68)  # the first, and one that is a tag alone


def test_true_words_take_their_place_and_every_result_says_so(true: Path, params: Params, tmp_path: Path) -> None:
    variant = results(true, tmp_path, params, trained(true, tmp_path, params))["variants"][VARIANT]
    assert (variant["transcripts"], variant["transcripts_of_preset"]) == ("truth", "asr")
    assert "read true transcripts; the preset asks for recognised words" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "fold/fold.json").read_text())["params"]["transcripts"] == "truth"


def test_what_is_read_can_be_forced_and_decides_the_numbers(heard: Path, params: Params, tmp_path: Path) -> None:
    folds = {kind: trained(heard, tmp_path / kind, params, kind) for kind in ("truth", "asr")}
    told = {kind: json.loads((fold / "fold.json").read_text()) for kind, fold in folds.items()}
    assert {kind: facts["transcripts"] for kind, facts in told.items()} == {"truth": "truth", "asr": "asr"}
    assert told["truth"]["encoder_keys"] != told["asr"]["encoder_keys"]
    assert told["truth"]["fingerprint"] != told["asr"]["fingerprint"]
    one, other = (np.stack(pd.read_parquet(fold / "predictions.parquet")["probabilities"]) for fold in folds.values())
    assert not np.allclose(one, other)
    with pytest.raises(EvaluationError, match=r"read transcripts 'asr', another fold of .* 'truth'; train all folds"):
        results(heard, tmp_path / "truth", params, *folds.values())


def test_recognised_words_of_a_corpus_without_any_are_an_error(true: Path, params: Params, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"has no 'asr_transcript' in any of its 70 .*`merflow data transcribe`"):
        features(true, tmp_path, params, "asr")
    assert not (tmp_path / "f.json").exists()

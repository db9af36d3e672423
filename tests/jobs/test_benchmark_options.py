"""A benchmark without MLflow, with transcription, and with options that are refused before anything runs."""

import json
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.contracts.results import read_results
from merflow.corpus.manifest import read_manifest
from merflow.corpus.source import CorpusSource
from merflow.errors import (
    CorpusError,
    PresetError,
)
from merflow.jobs.benchmark import benchmark
from merflow.jobs.miniatures import miniatures
from tests.jobs.tiny_benchmark import VARIANTS, run


def test_it_runs_without_mlflow(tiny_release: Path, params: Params, tmp_path: Path) -> None:
    untracked = params.model_copy(update={"tracking": params.tracking.model_copy(update={"uri": "none"})})
    run(tiny_release, untracked, tmp_path, variants=VARIANTS[:1])
    assert (tmp_path / "results.json").is_file()
    assert not (tmp_path / "mlflow.db").exists()


def test_recordings_are_transcribed_on_request(tiny_release: Path, params: Params, tmp_path: Path) -> None:
    (*_, whisper) = miniatures(tmp_path / "encoders")
    changes = {"model": str(whisper), "max_new_tokens": 4}
    hearing = params.model_copy(
        update={
            "tracking": params.tracking.model_copy(update={"uri": "none"}),
            "transcription": params.transcription.model_copy(update=changes),
        }
    )
    run(tiny_release, hearing, tmp_path / "run", variants=["context-mmt:bert-fc-frozen"], asr=True)
    before, after = (read_manifest(tmp_path / "run" / name).rows for name in ("validated.parquet", "manifest.parquet"))
    assert before["asr_transcript"].isna().all()
    assert after["asr_transcript"].notna().all()
    assert json.loads((tmp_path / "run/transcripts.json").read_text())["utterances"]["transcribed"] == 70
    (variant,) = read_results(tmp_path / "run/results.json").variants.values()
    assert variant.training.transcripts == variant.training.transcripts_of_preset == "truth"
    assert list(variant.missing) == ["text=asr"]


def test_unknown_names_fail_before_anything_runs(tmp_path: Path, params: Params) -> None:
    with pytest.raises(PresetError, match="did you mean"):
        benchmark(
            CorpusSource("iemocap", tmp_path / "nowhere"),
            variants=["context-mmt:mmt-frozn"],
            out=tmp_path / "out",
            params=params,
            name="x",
            command="x",
        )
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_root_says_what_it_needs(tmp_path: Path, params: Params) -> None:
    with pytest.raises(CorpusError, match="needs a root"):
        benchmark(CorpusSource("iemocap"), variants=VARIANTS, out=tmp_path, params=params, name="x", command="x")

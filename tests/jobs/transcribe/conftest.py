"""A model that is built for the tests, the tiny release, and its transcription."""

from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.jobs.index import index
from tests.corpus.transcription.whisper_miniature import build_whisper
from tests.jobs.transcribe.transcriptions import Files, run


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a model with a window of one second, so that many recordings of the tiny release are cut."""
    return build_whisper(tmp_path_factory.mktemp("whisper") / "mini.en", window_s=1)


@pytest.fixture(scope="session")
def settings(params: Params, model: Path) -> Params:
    changes = {"model": str(model), "batch_size": 8, "max_new_tokens": 6, "device": "cpu"}
    return params.model_copy(update={"transcription": params.transcription.model_copy(update=changes)})


@pytest.fixture(scope="session")
def manifest(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "manifest.parquet"
    return index(tiny_release, corpus="iemocap", out=path, params=params.corpus)


@pytest.fixture(scope="session")
def whole(manifest: Path, settings: Params, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Transcribe the tiny release without an interruption."""
    found = Files(tmp_path_factory.mktemp("whole"))
    run(manifest, found, settings)
    return found

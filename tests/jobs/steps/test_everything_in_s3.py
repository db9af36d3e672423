"""A benchmark that reads all that a workspace in S3 can hold: local encoders that learn, videos, a local recognizer."""

import shutil
from pathlib import Path

import pytest

from merflow.contracts.results import read_results
from merflow.errors import StorageError, TrackingError
from merflow.features.encoders.huggingface.miniature import build_miniatures
from merflow.jobs.sync_from_s3 import sync_from_s3
from merflow.runs.remote.location import ADDRESS
from merflow.runs.remote.workspace import RemoteWorkspace
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from tests.corpus.transcription.whisper_miniature import build_whisper
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of
from tests.seaweed import BUCKET, OWNER, environment
from tests.tracking.recorded import runs

MODELS = ("context-mmt:mmt-finetuned", "foal-net:full")
NOBODY = "http://127.0.0.1:9"  # no server listens there


def everything(workspace: Path, *, tracked: str) -> dict[str, object]:
    """Return the arguments of the pipeline."""
    return settings_of(
        workspace,
        *MODELS,
        transcribe=True,
        params={
            "features": {"profile": "tiny", "encoders_folder": str(workspace / "encoders"), "shard_utterances": 16},
            "transcription": {"model": str(workspace / "whisper/mini.en"), "max_new_tokens": 6, "device": "cpu"},
            "training": {"max_epochs": 1, "device": "cpu"},
            "tracking": {"uri": tracked},
        },
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path at which every pod sees the workspace."""
    return tmp_path_factory.mktemp("pods") / "workspace"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the encoders and the recognizer as they lie in the workspace."""
    folder = tmp_path_factory.mktemp("models")
    build_miniatures(folder / "encoders")
    build_whisper(folder / "whisper/mini.en", window_s=2)
    return folder


@pytest.fixture(scope="module")
def local_results(workspace: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return ``results.json`` of the benchmark with a folder that all steps share."""
    shutil.copytree(models, workspace)
    steps = StepByStep(everything(workspace, tracked="none"), tmp_path_factory.mktemp("shared"), pods=False)
    return steps.benchmark().read_bytes()


@pytest.fixture(scope="module")
def finished(
    seaweed: str, workspace: Path, models: Path, local_results: bytes, tmp_path_factory: pytest.TempPathFactory
) -> tuple[S3Address, bytes]:
    """Run it with a workspace in S3 while MLflow is away; return the workspace and the results."""
    assert local_results, "it is finished before the workspace is emptied"
    address = S3Address(BUCKET, "everything")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment(OWNER, seaweed) | {ADDRESS: str(address)}).items():
            patch.setenv(name, value)
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        remote = RemoteWorkspace(models, address, client=connect())
        remote.upload([path for path in models.rglob("*") if path.is_file()], immutable=True)
        steps = StepByStep(everything(workspace, tracked=NOBODY), tmp_path_factory.mktemp("run"), pods=True)
        return address, steps.benchmark().read_bytes()


@pytest.fixture
def in_s3(seaweed: str, finished: tuple[S3Address, bytes], monkeypatch: pytest.MonkeyPatch) -> S3Address:
    for name, value in environment(OWNER, seaweed).items():
        monkeypatch.setenv(name, value)
    return finished[0]


def keys_of(address: S3Address) -> list[str]:
    pages = connect().get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=address.prefix)
    return [each["Key"].removeprefix(address.prefix) for page in pages for each in page.get("Contents", ())]


def test_its_results_are_those_of_a_shared_folder(finished: tuple[S3Address, bytes], local_results: bytes) -> None:
    assert finished[1] == local_results


def test_what_is_computed_once_is_in_the_workspace(in_s3: S3Address) -> None:
    keys = keys_of(in_s3)
    assert any(key.startswith("transcripts") for key in keys), sorted({key.partition("/")[0] for key in keys})
    assert any(key.startswith("folds/") for key in keys)
    assert not [key for key in keys if key.startswith("checkpoints/")]


@pytest.mark.usefixtures("in_s3")
def test_a_second_run_transcribes_nothing(
    workspace: Path, finished: tuple[S3Address, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, str(finished[0]))
    recognized: list[object] = []
    monkeypatch.setattr(
        "merflow.corpus.transcription.whisper.Whisper.transcribe", lambda *given: recognized.append(given)
    )
    steps = StepByStep(everything(workspace, tracked="none"), tmp_path / "again", pods=True)
    assert steps.benchmark().read_bytes() == finished[1]
    assert recognized == []


def test_sync_uploads_it_once_mlflow_answers(in_s3: S3Address, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (done,) = sync_from_s3(str(in_s3), uri=uri)
    assert (done.folds, done.new_folds, done.new_results) == (len(MODELS), len(MODELS), True)
    (benchmark_id,) = {key.split("/")[1] for key in keys_of(in_s3) if key.endswith("/run.json")}
    assert [len(runs(uri, benchmark_id, kind)) for kind in ("benchmark", "variant", "fold")] == [1, 2, 2]
    (again,) = sync_from_s3(str(in_s3), uri=uri)
    assert (again.new_folds, again.new_results) == (0, False)


def test_sync_says_what_is_wrong(in_s3: S3Address) -> None:
    with pytest.raises(StorageError, match=r"nothing remembers no benchmark .*; pass the cluster\.workspace"):
        sync_from_s3(f"s3://{in_s3.bucket}/nothing", uri=None)
    with pytest.raises(
        TrackingError, match="is not a folder that could hold MLflow's database; name a server with --uri"
    ):
        sync_from_s3(str(in_s3), uri="auto")


def test_these_variants_learn_and_see(finished: tuple[S3Address, bytes], tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(finished[1])
    variants = read_results(tmp_path / "results.json").variants
    assert variants[MODELS[0]].training.regime.ran == ("frozen", "partial")
    assert "video" in variants[MODELS[1]].training.modalities

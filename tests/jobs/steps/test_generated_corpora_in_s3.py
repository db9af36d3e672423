"""Generated corpora in a workspace in S3: the step that generates one uploads it, and other pods fetch it."""

import shutil
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.contracts.requests import IndexRequest, ValidateRequest
from merflow.corpus.manifest import read_manifest
from merflow.jobs import steps
from merflow.runs.remote.location import ADDRESS


@pytest.fixture
def workspace(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path at which every pod sees the workspace."""
    address = f"s3://corpora/{tmp_path.name}"
    access = {"AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    for name, value in (access | {ADDRESS: address}).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "workspace"


def index(corpus: str, workspace: Path, params: Params) -> tuple[Path, list[Path]]:
    """Index a corpus in a pod of its own; return the manifest, and the files of the corpus in the workspace."""
    shutil.rmtree(workspace, ignore_errors=True)
    request = IndexRequest(
        corpus=corpus,
        root="",
        size="tiny",
        video=False,
        workspace=str(workspace),
        params=params.corpus,
        data="",
        code="",
    )
    manifest = workspace.parent / "manifest.parquet"
    steps.index(request.to_json(), manifest=str(manifest))
    return manifest, sorted(path.relative_to(workspace) for path in (workspace / "corpus").rglob("*"))


@pytest.mark.parametrize("corpus", ["synthetic", "synthetic-table", "synthetic-mosei", "synthetic-mosei-pickle"])
def test_a_corpus_is_generated_once(
    corpus: str, workspace: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    first, generated = index(corpus, workspace, params)
    hashed = read_manifest(first).hash
    assert "(already there)" not in capsys.readouterr().err
    second, fetched = index(corpus, workspace, params)
    assert "(already there)" in capsys.readouterr().err
    assert fetched == generated
    assert read_manifest(second).hash == hashed


def test_the_recordings_of_a_table_are_fetched(workspace: Path, params: Params, tmp_path: Path) -> None:
    pytest.importorskip("great_expectations")
    manifest, _ = index("synthetic-table", workspace, params)
    shutil.rmtree(workspace)
    request = ValidateRequest(
        quarantine=False, workspace=str(workspace), params=params.corpus, data="", code=""
    ).to_json()
    written = {name: str(tmp_path / name) for name in ("validated", "summary", "docs", "set_aside")}
    steps.validate(request, manifest=str(manifest), **written)
    assert len(read_manifest(tmp_path / "validated").rows) == 140
    assert len(list(workspace.glob("corpus/table-tiny/wav/*.wav"))) == 140

"""A workspace in a real S3, and a benchmark on a shared folder to compare with."""

from pathlib import Path

import pytest

from merflow.runs.remote.location import ADDRESS
from merflow.storage.s3.address import S3Address
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of
from tests.seaweed import BUCKET, OWNER, environment

MODELS = ("context-mmt:wavlm-fc-frozen", "mfdr:gru")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path at which every pod sees the workspace."""
    return tmp_path_factory.mktemp("pods") / "workspace"


@pytest.fixture(scope="module")
def local_results(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return ``results.json`` of the same benchmark with a folder that all steps share."""
    steps = StepByStep(settings_of(workspace, *MODELS), tmp_path_factory.mktemp("shared"), pods=False)
    return steps.benchmark().read_bytes()


@pytest.fixture
def in_s3(seaweed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Address:
    """Put the workspace into S3, at an address that no other test uses."""
    address = S3Address(BUCKET, f"{tmp_path.parent.name}/{tmp_path.name}")
    for name, value in (environment(OWNER, seaweed) | {ADDRESS: str(address)}).items():
        monkeypatch.setenv(name, value)
    return address

"""A workspace in a real S3, as two machines see it."""

from pathlib import Path

import pytest

from merflow.runs.remote.location import ADDRESS
from merflow.runs.remote.workspace import RemoteWorkspace, remote_workspace
from tests.seaweed import BUCKET, OWNER, environment


@pytest.fixture
def machines(seaweed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RemoteWorkspace, RemoteWorkspace]:
    """Return one workspace as two machines see it."""
    address = f"s3://{BUCKET}/{tmp_path.parent.name}/{tmp_path.name}"
    for name, value in (environment(OWNER, seaweed) | {ADDRESS: address}).items():
        monkeypatch.setenv(name, value)
    first, second = (remote_workspace(tmp_path / name) for name in ("first", "second"))
    assert first is not None
    assert second is not None
    return first, second


def write(remote: RemoteWorkspace, path: str, content: bytes) -> Path:
    """Write a file of a machine's scratch folder, and return its path."""
    file = remote.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file

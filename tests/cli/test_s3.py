"""Folders to and from S3 from the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.command import merflow, refused
from tests.seaweed import BUCKET, OWNER, environment


@pytest.fixture(autouse=True)
def _environment(seaweed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(OWNER, seaweed).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    (folder / "Session1").mkdir(parents=True)
    (folder / "Session1/a.wav").write_bytes(b"a" * 1000)
    (folder / "b.wav").write_bytes(b"b" * 2000)
    return folder


def test_a_published_folder_is_fetched(seaweed: str, recordings: Path, tmp_path: Path) -> None:
    address, copy = f"s3://{BUCKET}/{tmp_path.name}/v1", tmp_path / "copy"
    published = merflow("data", "publish", recordings, address, "--endpoint", seaweed, "--json")
    found = json.loads(published.out)
    assert len(found.pop("digest")) == 64
    assert found == {
        **{"address": address, "files": 2, "size_bytes": 3000},
        **{"uploaded": 2, "uploaded_bytes": 3000, "first": True},
    }
    assert "merflow | publish, MiB: 1/1 (" in published.err
    fetched = merflow("data", "fetch", address, copy, "--endpoint", seaweed, "--json")
    assert json.loads(fetched.out) == {
        **{"address": address, "folder": str(copy), "files": 2, "size_bytes": 3000},
        **{"downloaded": 2, "downloaded_bytes": 3000, "checked_by": "sha256", "unchecked": 0},
    }
    assert (copy / "Session1/a.wav").read_bytes() == b"a" * 1000
    again = merflow("data", "fetch", address, copy, "--endpoint", seaweed)
    assert again.out == f"2 file(s), 3.0 kB in {copy}; 0 downloaded (0 bytes)\n"
    again = merflow("data", "publish", recordings, address, "--endpoint", seaweed)
    assert again.out == f"2 file(s), 3.0 kB already published at {address}; 0 uploaded (0 bytes)\n"


def test_another_folder_at_the_same_address_is_refused(seaweed: str, recordings: Path, tmp_path: Path) -> None:
    address = f"s3://{BUCKET}/{tmp_path.name}/v1"
    assert merflow("data", "publish", recordings, address, "--endpoint", seaweed).code == 0
    (recordings / "b.wav").unlink()
    said = refused("data", "publish", recordings, address, "--endpoint", seaweed)
    assert f"{address} holds a folder that differs from {recordings}: b.wav; choose another address" in said


@pytest.mark.parametrize("address", ["corpora/x", "s3://"])
def test_what_is_not_an_address_is_refused(address: str, tmp_path: Path) -> None:
    assert "write it as s3://BUCKET/FOLDER" in refused("data", "fetch", address, tmp_path)
    assert "write it as s3://BUCKET/FOLDER" in refused("data", "publish", tmp_path, address)

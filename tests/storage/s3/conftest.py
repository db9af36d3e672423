"""Connections to a real S3 server, a folder of its own for every test, and files to send."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client, connect
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.transfers import PART_BYTES, Transfers
from tests.seaweed import BUCKET, OWNER, environment


@pytest.fixture(autouse=True)
def _environment(seaweed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(OWNER, seaweed).items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def client() -> S3Client:
    return connect()


@pytest.fixture
def transfers(client: S3Client) -> Iterator[Transfers]:
    with Transfers(client, Retries(first_wait_s=0.1)) as opened:
        yield opened


@pytest.fixture
def address(tmp_path: Path) -> S3Address:
    """Return an address that no other test uses."""
    return S3Address(BUCKET, f"{tmp_path.parent.name}/{tmp_path.name}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with small files, an empty one, two equal ones, odd names, and one that goes in three parts."""
    return write_files(tmp_path / "source", sizes={**SMALL, "Session1/dialog.avi": 2 * PART_BYTES + 77})


SMALL = {"empty.txt": 0, "Session1/a b+c%20&=?#~ä.wav": 1000, "Session2/x.wav": 70_000, "Session2/same/x.wav": 70_000}


def write_files(folder: Path, *, sizes: dict[str, int], seed: int = 0) -> Path:
    """Write files of random bytes; files of the same size are equal."""
    for name, size in sizes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(f"{seed} {size}").randbytes(size))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of all files by relative path, hidden ones included."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def keys(client: S3Client, address: S3Address) -> list[str]:
    """Return the relative keys of all objects in a folder."""
    listed = client.list_objects_v2(Bucket=address.bucket, Prefix=address.prefix)
    return [each["Key"].removeprefix(address.prefix) for each in listed.get("Contents", ())]


def unfinished(client: S3Client, address: S3Address) -> list[str]:
    """Return the ids of the unfinished uploads in a folder."""
    listed = client.list_multipart_uploads(Bucket=address.bucket, Prefix=address.prefix)
    return [each["UploadId"] for each in listed.get("Uploads", ())]

"""Tests that transfers work with another implementation of S3 too."""

from pathlib import Path

import pytest

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.parallel import Tally
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.stored_files import StoredFile
from merflow.storage.s3.transfers import Transfers
from tests.seaweed import BUCKET
from tests.storage.s3.conftest import contents, unfinished, write_files


def test_moto_keeps_what_is_published(s3: str, folder: Path, tmp_path: Path) -> None:
    client = connect(s3)
    address = S3Address(BUCKET, "v1")
    with Transfers(client) as transfers:
        assert publish(folder, address, transfers).first
        assert not publish(folder, address, transfers).first
        fetch(address, tmp_path / "copy", transfers)
        assert contents(tmp_path / "copy") == contents(folder)
        assert unfinished(client, address) == []
        write_files(folder, sizes={"more": 1})
        with pytest.raises(StorageError, match=": more; choose another address"):
            publish(folder, address, transfers)


def test_moto_gives_what_others_put_there(s3: str, folder: Path, tmp_path: Path) -> None:
    client = connect(s3)
    for path in contents(folder):
        client.upload_file(str(folder / path), BUCKET, f"plain/{path}")
    with Transfers(client) as transfers:
        fetched = fetch(S3Address(BUCKET, "plain"), tmp_path / "copy", transfers)
    assert (fetched.downloaded, fetched.published, fetched.unchecked) == (5, False, 0)
    assert contents(tmp_path / "copy") == contents(folder)


def test_a_tag_that_is_not_a_digest_leaves_only_the_size(s3: str, folder: Path, tmp_path: Path) -> None:
    client = connect(s3)
    path = folder / "Session2/x.wav"
    address = S3Address(BUCKET, "encrypted/x.wav")
    client.put_object(Bucket=BUCKET, Key=address.key, Body=path.read_bytes(), ServerSideEncryption="aws:kms")
    encrypted = StoredFile("x.wav", address, 70_000, etag="0" * 32)  # of what Amazon stores, not of the file
    assert encrypted.is_at(path, client) is None
    assert encrypted.is_at(folder / "empty.txt", client) is False
    with Transfers(client) as transfers:
        assert transfers.download(encrypted, tmp_path / "copy", tally=Tally("fetch", total=0, progress=None)) is False
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    parts = StoredFile("x.wav", address, 70_000, etag=f"{'0' * 32}-7")  # uploaded in parts of sizes that nobody tells
    client.put_object(Bucket=BUCKET, Key=address.key, Body=path.read_bytes())
    assert parts.is_at(path, client) is None

import re
import socket
import sys
from pathlib import Path

import pytest

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.transfers import Transfers
from tests.seaweed import BUCKET, OWNER, READER
from tests.storage.s3.conftest import keys, write_files


def refused(address: S3Address, folder: Path, *, writing: bool = False, endpoint: str | None = None) -> str:
    with Transfers(connect(endpoint)) as transfers, pytest.raises(StorageError) as caught:
        publish(folder, address, transfers) if writing else fetch(address, folder, transfers)
    return str(caught.value)


def log_in(monkeypatch: pytest.MonkeyPatch, access: str, secret: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def test_missing_credentials_are_reported(address: S3Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = refused(address, tmp_path)
    assert said.endswith(
        "Unable to locate credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )
    assert f"cannot read {address}/merflow-inventory.json at http://127.0.0.1" in said


@pytest.mark.parametrize("writing", [False, True])
def test_a_missing_bucket_is_reported(tmp_path: Path, writing: bool) -> None:
    write_files(tmp_path, sizes={"a": 1})
    said = refused(S3Address("no-such-bucket", "x"), tmp_path, writing=writing)
    assert "NoSuchBucket, The specified bucket does not exist; create the bucket, or correct the address" in said


def test_a_denied_write_leaves_nothing(address: S3Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "source", sizes={"a": 1})
    with monkeypatch.context() as patch:
        log_in(patch, *READER)
        said = refused(address, tmp_path / "source", writing=True)
    assert "cannot write" in said
    assert "AccessDenied, Access Denied; get permission to list, read and, to publish, write there" in said
    assert keys(connect(), address) == []


@pytest.mark.parametrize(
    ("access", "secret", "reason"),
    [
        ("nobody", "x", "check AWS_ACCESS_KEY_ID and AWS_PROFILE"),
        (OWNER[0], "not-this-secret", "check AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_wrong_keys_are_distinguished(
    address: S3Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, access: str, secret: str, reason: str
) -> None:
    log_in(monkeypatch, access, secret)
    said = refused(address, tmp_path)
    assert said.endswith(reason)
    assert "not-this-secret" not in said


def test_an_unreachable_server_is_named(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and nobody listens
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        said = refused(S3Address(BUCKET, "x"), tmp_path, endpoint=endpoint)
    assert f"at {endpoint}: Could not connect to the endpoint URL" in said
    assert said.endswith("check the network and the server's address (--endpoint, AWS_ENDPOINT_URL)")


@pytest.mark.parametrize("endpoint", ["minio:9000", "not a url"])
def test_an_endpoint_that_is_not_a_url_is_refused(endpoint: str) -> None:
    with pytest.raises(StorageError, match=f"cannot connect to S3 at {endpoint}: .*as in http://HOST:PORT"):
        connect(endpoint)


def test_a_profile_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "lab")
    with pytest.raises(StorageError, match=r"\(lab\) could not be found; check AWS_PROFILE"):
        connect()


def test_only_amazon_has_a_host_name_for_each_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    def url(endpoint: str | None) -> str:
        return str(connect(endpoint).generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "k"}))

    assert url("http://minio:9000").startswith(f"http://minio:9000/{BUCKET}/k?")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert url(None).startswith(f"https://{BUCKET}.s3.amazonaws.com/k?")


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StorageError, match=re.escape("run: pip install 'merflow[s3]'")):
        connect()

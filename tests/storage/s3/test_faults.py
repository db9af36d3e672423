"""Tests that faults between client and server neither lose a file nor make a wrong one."""

import json
from pathlib import Path

import pytest

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client, connect
from merflow.storage.s3.fetching import Fetched, fetch
from merflow.storage.s3.inventory import INVENTORY
from merflow.storage.s3.publishing import Publication, publish
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.transfers import PART_BYTES, Transfers
from tests.storage.s3.conftest import contents, keys, unfinished, write_files
from tests.storage.s3.faulty_proxy import Fault, FaultyProxy, at_random, first_times
from tests.storage.s3.test_publishing import at_once

# Faults that happen once to every request, and those of them that damage answers of every kind.
EACH = [fault for fault in Fault if fault is not Fault.SLOW]
READ_TIMEOUT_S = 1.0  # a stalled answer is silent for longer


def patient() -> Retries:
    return Retries(attempts=10, damages=10, first_wait_s=0.05, longest_wait_s=0.5)


def publish_through(proxy: FaultyProxy, folder: Path, address: S3Address) -> Publication:
    with Transfers(connect(proxy.url, read_timeout_s=READ_TIMEOUT_S), patient()) as transfers:
        return publish(folder, address, transfers)


def fetch_through(proxy: FaultyProxy, address: S3Address, folder: Path) -> Fetched:
    with Transfers(connect(proxy.url, read_timeout_s=READ_TIMEOUT_S), patient()) as transfers:
        return fetch(address, folder, transfers)


def assert_intact(client: S3Client, address: S3Address, folder: Path) -> None:
    """Check what is stored without the proxy: all contents, nothing else, and nothing unfinished."""
    body = client.get_object(Bucket=address.bucket, Key=f"{address.key}/{INVENTORY}")["Body"].read()
    files = {path: entry["sha256"] for path, entry in json.loads(body)["files"].items()}
    expected = contents(folder)
    assert files.keys() == expected.keys()
    for path, sha256 in files.items():
        stored = client.get_object(Bucket=address.bucket, Key=f"{address.key}/files/{sha256}")["Body"].read()
        assert stored == expected[path]
    assert sorted(keys(client, address)) == sorted([INVENTORY, *{f"files/{sha256}" for sha256 in files.values()}])
    assert unfinished(client, address) == []


@pytest.mark.parametrize("fault", EACH, ids=lambda fault: fault.name.lower())
def test_a_fault_of_every_request_is_survived(
    fault: Fault, seaweed: str, client: S3Client, folder: Path, address: S3Address, tmp_path: Path
) -> None:
    with FaultyProxy(seaweed, first_times(1, fault)) as proxy:
        publication = publish_through(proxy, folder, address)
        assert_intact(client, address, folder)
        published = proxy.happened.total()
        fetched = fetch_through(proxy, address, tmp_path / "copy")
        assert proxy.happened.total() > published or fault is Fault.FLIPPED_REQUEST
        assert proxy.happened.keys() == {fault}
    assert contents(tmp_path / "copy") == contents(folder)
    assert publication.uploaded == 4
    assert (fetched.downloaded, fetched.unchecked) == (5, 0)


@pytest.mark.parametrize("validation", ["when_supported", "when_required"])
def test_all_faults_together_neither_lose_nor_change_a_file(
    validation: str,
    seaweed: str,
    client: S3Client,
    address: S3Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", validation)  # in boto3, besides merflow's own
    sizes = {f"session{number % 5}/{number}.wav": 1000 * number for number in range(60)}
    folder = write_files(tmp_path / "source", sizes={**sizes, "film.avi": 6 * PART_BYTES, "film2.avi": 2 * PART_BYTES})
    with FaultyProxy(seaweed, at_random(0.25)) as proxy:
        publish_through(proxy, folder, address)
        assert_intact(client, address, folder)
        fetch_through(proxy, address, tmp_path / "copy")
        assert proxy.happened.keys() == set(Fault)
    assert contents(tmp_path / "copy") == contents(folder)


def test_two_writers_of_equal_folders_survive_all_faults(
    seaweed: str, client: S3Client, address: S3Address, tmp_path: Path
) -> None:
    sizes = {f"{number}.wav": 1000 * number for number in range(20)}
    sources = [write_files(tmp_path / name, sizes={**sizes, "film.avi": 3 * PART_BYTES}) for name in ("a", "b")]
    with FaultyProxy(seaweed, at_random(0.3), stall_s=0) as proxy:
        outcomes = at_once(sources, address, endpoint=proxy.url)
        assert proxy.happened.total() > 5
    assert all(isinstance(outcome, Publication) for outcome in outcomes), outcomes
    assert_intact(client, address, sources[0])


@pytest.mark.parametrize(
    "fault", [Fault.SLOW_DOWN, Fault.CUT, Fault.FLIPPED_ANSWER], ids=lambda fault: fault.name.lower()
)
def test_a_fault_that_stays_ends_in_an_error_and_not_in_a_file(
    fault: Fault, seaweed: str, folder: Path, address: S3Address, transfers: Transfers, tmp_path: Path
) -> None:
    publish(folder, address, transfers)
    copy = write_files(tmp_path / "copy", sizes={"Session2/x.wav": 12})
    before = contents(copy)

    def plan(method: str, path: str) -> Fault | None:
        return fault if method == "GET" and "/files/" in path else None

    with FaultyProxy(seaweed, plan) as proxy:
        with Transfers(connect(proxy.url), Retries(attempts=1)) as through, pytest.raises(StorageError) as caught:
            fetch(address, copy, through)
        assert proxy.happened[fault]
    assert f"{address}/files/" in str(caught.value)
    assert "run the" in str(caught.value)
    assert contents(copy).items() <= {**contents(folder), **before}.items()
    fetch(address, copy, transfers)
    assert contents(copy) == contents(folder)


def test_an_upload_whose_every_byte_is_damaged_is_never_visible(
    seaweed: str, client: S3Client, folder: Path, address: S3Address
) -> None:
    def plan(method: str, _path: str) -> Fault | None:
        return Fault.FLIPPED_REQUEST if method == "PUT" else None

    with FaultyProxy(seaweed, plan) as proxy:
        retries = Retries(attempts=2, first_wait_s=0.01)
        with Transfers(connect(proxy.url), retries) as through, pytest.raises(StorageError, match="cannot write"):
            publish(folder, address, through)
    assert set(keys(client, address)) <= {f"files/{EMPTY}"}
    assert unfinished(client, address) == []


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

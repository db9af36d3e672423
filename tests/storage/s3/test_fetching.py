import json
import os
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from merflow.errors import OutputError, StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.inventory import INVENTORY
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.stored_files import StoredFile, etag_of_parts
from merflow.storage.s3.transfers import Transfers
from tests.storage.s3.conftest import contents, write_files

PARTS = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=6 << 20)  # not merflow's own


def put_by_others(folder: Path, address: S3Address, client: S3Client) -> None:
    for path in contents(folder):
        client.upload_file(str(folder / path), address.bucket, f"{address.key}/{path}", Config=PARTS)


def put(client: S3Client, address: S3Address, content: bytes) -> None:
    client.put_object(Bucket=address.bucket, Key=address.key, Body=content)


def refused(address: S3Address, folder: Path, transfers: Transfers) -> str:
    with pytest.raises(StorageError) as caught:
        fetch(address, folder, transfers)
    return str(caught.value)


@pytest.mark.parametrize("published", [True, False])
def test_only_what_is_missing_or_differs_is_downloaded(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client, tmp_path: Path, published: bool
) -> None:
    if published:
        publish(folder, address, transfers)
    else:
        put_by_others(folder, address, client)
    copy = tmp_path / "copy"
    assert fetch(address, copy, transfers).downloaded == 5
    kept = copy / "Session1/dialog.avi"
    written_ns = kept.stat().st_mtime_ns
    (copy / "empty.txt").unlink()
    (copy / "Session2/x.wav").write_bytes(bytes(70_000))
    (copy / "my notes.txt").write_text("mine")
    again = fetch(address, copy, transfers)
    assert (again.files, again.downloaded, again.downloaded_bytes, again.unchecked) == (5, 2, 70_000, 0)
    assert again.published == published
    assert kept.stat().st_mtime_ns == written_ns
    assert contents(copy) == {**contents(folder), "my notes.txt": b"mine"}


def test_a_folder_that_others_have_put_there_is_checked_too(
    folder: Path, address: S3Address, client: S3Client, transfers: Transfers, tmp_path: Path
) -> None:
    put_by_others(folder, address, client)
    client.put_object(Bucket=address.bucket, Key=f"{address.key}/Session3/", Body=b"")  # what consoles make
    client.put_object(Bucket=address.bucket, Key=f"{address.key}-2/x", Body=b"of another folder")
    fetched = fetch(address, tmp_path / "copy", transfers)
    assert contents(tmp_path / "copy") == contents(folder)
    assert (fetched.published, fetched.unchecked) == (False, 0)


@pytest.mark.parametrize("published", [True, False])
def test_more_files_than_one_listing_holds(
    address: S3Address, client: S3Client, transfers: Transfers, tmp_path: Path, published: bool
) -> None:
    folder = write_files(tmp_path / "source", sizes={f"{number // 100}/{number}": number for number in range(1105)})
    if published:
        assert publish(folder, address, transfers).uploaded == 1105
    else:
        put_by_others(folder, address, client)
    assert fetch(address, tmp_path / "copy", transfers).files == 1105
    assert contents(tmp_path / "copy") == contents(folder)


def test_a_file_in_parts_is_known_by_the_tag_of_its_parts(
    folder: Path, address: S3Address, client: S3Client, tmp_path: Path
) -> None:
    put_by_others(folder, address, client)
    large = folder / "Session1/dialog.avi"
    tag = client.head_object(Bucket=address.bucket, Key=f"{address.key}/Session1/dialog.avi")["ETag"].strip('"')
    assert tag.endswith("-3")
    assert etag_of_parts(large, part_bytes=6 << 20) == tag
    stored = StoredFile("x", address / "Session1/dialog.avi", large.stat().st_size, etag=tag)
    assert stored.is_at(large, client)
    other = tmp_path / "other"
    other.write_bytes(b"x" + large.read_bytes()[1:])
    assert stored.is_at(other, client) is False


@pytest.mark.parametrize("size", [70_000, 70_001])
def test_a_damaged_content_never_arrives(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client, tmp_path: Path, size: int
) -> None:
    published = publish(folder, address, transfers).folder
    damaged = published.file("Session2/x.wav")
    put(client, damaged.address, bytes(size))
    copy = tmp_path / "copy"
    write_files(copy, sizes={"Session2/x.wav": 12})
    old = contents(copy)
    said = refused(address, copy, transfers)
    assert f"{damaged.address} does not arrive as it was stored (70000 bytes, SHA-256 {damaged.sha256})" in said
    assert "delete the object and upload it again" in said
    found = contents(copy)
    assert found["Session2/x.wav"] == old["Session2/x.wav"]
    assert found.items() <= {**contents(folder), **old}.items()


def test_an_empty_address_is_an_error(address: S3Address, transfers: Transfers, tmp_path: Path) -> None:
    assert f"there is nothing in {address} at http" in refused(address, tmp_path, transfers)


def test_the_folder_of_published_folders_is_not_a_folder(
    folder: Path, address: S3Address, transfers: Transfers, tmp_path: Path
) -> None:
    publish(folder, address / "v1", transfers)
    assert f"holds published folders; name one of them, such as {address / 'v1'}" in refused(
        address, tmp_path, transfers
    )


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("a\tb",), "'a\\tb' cannot be the path of a file in a folder"),
        (("a", "a/b"), "/a is an object and a folder, which no disk can hold"),
    ],
)
def test_names_that_no_folder_can_hold_are_refused(
    address: S3Address, client: S3Client, transfers: Transfers, tmp_path: Path, names: tuple[str, ...], reason: str
) -> None:
    for name in names:
        put(client, address / name, b"x")
    assert reason in refused(address, tmp_path / "copy", transfers)
    assert not (tmp_path / "copy").exists()


def changed(inventory: bytes, old: str, new: str) -> bytes:
    assert old in inventory.decode()
    return inventory.decode().replace(old, new).encode()


def test_an_inventory_is_taken_at_its_digest(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client, tmp_path: Path
) -> None:
    inventory = publish(folder, address, transfers).folder.inventory.to_json()

    def said(content: bytes) -> str:
        put(client, address / INVENTORY, content)
        return refused(address, tmp_path / "copy", transfers)

    assert "damaged (Value error, its digest is of other files); delete it and" in said(
        changed(inventory, "x.wav", "y.wav")
    )
    assert "is damaged (" in said(inventory[: len(inventory) // 2])
    assert "is damaged (files.empty.txt.size" in said(changed(inventory, '"size": 0', '"size": -1'))
    assert "in format 2, and this version reads format 1" in said(changed(inventory, '"format": 1', '"format": 2'))


def test_an_inventory_cannot_write_outside_of_the_folder(
    address: S3Address, transfers: Transfers, client: S3Client, tmp_path: Path
) -> None:
    from merflow.storage.s3.inventory import Entry, Inventory

    hostile = Inventory.of({"../escaped": Entry(size=1, sha256="0" * 64)})
    assert json.loads(hostile.to_json())["files"].keys() == {"../escaped"}
    put(client, address / INVENTORY, hostile.to_json())
    assert "'../escaped' cannot be the path of a file in a folder" in refused(address, tmp_path / "copy", transfers)


def test_old_parts_of_killed_processes_are_removed(
    folder: Path, address: S3Address, transfers: Transfers, tmp_path: Path
) -> None:
    publish(folder, address, transfers)
    copy = write_files(tmp_path / "copy", sizes={"a/.x.wav.0123456789abcdef.part": 9, ".y.0123456789abcdef.part": 9})
    os.utime(copy / "a/.x.wav.0123456789abcdef.part", (0, 0))
    fetch(address, copy, transfers)
    assert contents(copy).keys() - contents(folder).keys() == {".y.0123456789abcdef.part"}


def test_a_file_in_the_way_of_a_folder_is_named(
    folder: Path, address: S3Address, transfers: Transfers, tmp_path: Path
) -> None:
    publish(folder, address, transfers)
    write_files(tmp_path / "copy", sizes={"Session2": 1})
    with pytest.raises(OutputError, match=f"{tmp_path / 'copy/Session2'} is a file, not a folder"):
        fetch(address, tmp_path / "copy", transfers)

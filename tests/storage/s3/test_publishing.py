import json
import threading
from pathlib import Path

import pytest

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.checked_stream import sha256_of
from merflow.storage.s3.client import S3Client, connect
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.inventory import INVENTORY
from merflow.storage.s3.published import read_published
from merflow.storage.s3.publishing import Publication, publish
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.transfers import PART_BYTES, Transfers
from tests.storage.s3.conftest import SMALL, contents, keys, unfinished, write_files


def test_a_folder_is_fetched_unchanged(folder: Path, address: S3Address, transfers: Transfers, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    publication = publish(folder, address, transfers, progress=lambda *step: told.append(step))
    size = sum(len(content) for content in contents(folder).values())
    assert publication.first
    assert (publication.uploaded, publication.uploaded_bytes) == (4, size - 70_000), "equal files are one content"
    fetched = fetch(address, tmp_path / "copy", transfers, progress=lambda *step: told.append(step))
    assert contents(tmp_path / "copy") == contents(folder)
    assert (fetched.files, fetched.size, fetched.downloaded, fetched.downloaded_bytes) == (5, size, 5, size)
    assert (fetched.published, fetched.unchecked) == (True, 0)
    mib = -(-size // 2**20)
    for stage, total in (("read", mib), ("publish", mib), ("fetch", mib)):
        steps = [(done, all_of_it) for name, done, all_of_it in told if name == f"{stage}, MiB"]
        assert steps[-1] == (total, total)
        assert steps == sorted(set(steps))


def test_contents_have_their_digest_as_name_and_the_inventory_lists_them(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client
) -> None:
    publish(folder, address, transfers)
    digests = {path: sha256_of(folder / path) for path in contents(folder)}
    assert sorted(keys(client, address)) == sorted([INVENTORY, *{f"files/{digest}" for digest in digests.values()}])
    body = client.get_object(Bucket=address.bucket, Key=f"{address.key}/{INVENTORY}")["Body"].read()
    assert {path: file["sha256"] for path, file in json.loads(body)["files"].items()} == digests


def test_an_equal_folder_is_not_uploaded_again_and_another_one_is_refused(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client
) -> None:
    publish(folder, address, transfers)
    before = keys(client, address)
    again = publish(folder, address, transfers)
    assert (again.first, again.uploaded, again.uploaded_bytes) == (False, 0, 0)
    write_files(folder, sizes={"empty.txt": 1, "more.txt": 5})
    with pytest.raises(StorageError) as caught:
        publish(folder, address, transfers)
    assert f"{address} holds a folder that differs from {folder}: empty.txt, more.txt; choose another" in str(
        caught.value
    )
    assert keys(client, address) == before


def test_a_content_that_somebody_deleted_is_found_missing_and_brought_back(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client, tmp_path: Path
) -> None:
    publish(folder, address, transfers)
    lost = f"files/{sha256_of(folder / 'Session2/x.wav')}"
    client.delete_object(Bucket=address.bucket, Key=f"{address.key}/{lost}")
    with pytest.raises(
        StorageError, match=f"{lost}, the content of Session2/same/x.wav, is missing; publish the folder"
    ):
        fetch(address, tmp_path / "copy", transfers)
    assert not (tmp_path / "copy").exists()
    assert publish(folder, address, transfers).uploaded == 1
    fetch(address, tmp_path / "copy", transfers)
    assert contents(tmp_path / "copy") == contents(folder)


def test_an_upload_that_ended_early_shows_nothing_and_continues_where_it_was(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client
) -> None:
    write_files(folder, sizes={"much/of it.bin": 3 * PART_BYTES})

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "publish, MiB" and done > total / 2:
            raise KeyboardInterrupt

    with Transfers(client) as interrupted, pytest.raises(KeyboardInterrupt):
        publish(folder, address, interrupted, progress=interrupt)
    there = keys(client, address)
    assert INVENTORY not in there
    assert read_published(client, address, Retries()) is None
    publication = publish(folder, address, transfers)
    assert (publication.first, publication.uploaded) == (True, 5 - len(there))
    assert unfinished(client, address) == []


def test_a_file_that_changes_meanwhile_is_never_published(
    folder: Path, address: S3Address, transfers: Transfers, client: S3Client
) -> None:
    large = folder / "Session1/dialog.avi"

    def write(stage: str, done: int, total: int) -> None:
        if stage == "read, MiB" and done == total:
            large.write_bytes(large.read_bytes()[:-1] + b"x")

    digest = sha256_of(large)
    with pytest.raises(StorageError, match="avi changed while it was published; wait until nothing writes to it"):
        publish(folder, address, transfers, progress=write)
    assert INVENTORY not in keys(client, address)
    assert f"files/{digest}" not in keys(client, address)
    assert unfinished(client, address) == []


@pytest.mark.parametrize("equal", [True, False])
def test_of_two_writers_the_first_one_wins_and_the_other_one_knows(
    address: S3Address, tmp_path: Path, equal: bool
) -> None:
    for number in range(2):
        sources = [tmp_path / f"{number}-{writer}" for writer in range(3)]
        for writer, source in enumerate(sources):
            write_files(source, sizes={**SMALL, "film.avi": PART_BYTES + 1}, seed=0 if equal else writer)
        outcomes = at_once(sources, address / str(number))
        won = [outcome for outcome in outcomes if isinstance(outcome, Publication) and outcome.first]
        refused = [str(outcome) for outcome in outcomes if isinstance(outcome, StorageError)]
        assert len(won) == 1
        assert len(refused) == (0 if equal else 2)
        assert all("holds a folder that differs" in reason for reason in refused)
        with Transfers(connect()) as reader:
            fetch(address / str(number), tmp_path / f"{number}-copy", reader)
        assert contents(tmp_path / f"{number}-copy") == contents(sources[outcomes.index(won[0])])
        assert unfinished(connect(), address / str(number)) == []


def at_once(
    sources: list[Path], address: S3Address, *, endpoint: str | None = None
) -> list[Publication | StorageError]:
    """Publish all folders at the same address at the same time."""
    together = threading.Barrier(len(sources))
    outcomes: dict[Path, Publication | StorageError] = {}

    def write(source: Path) -> None:
        with Transfers(connect(endpoint), Retries(first_wait_s=0.1)) as transfers:
            together.wait()
            try:
                outcomes[source] = publish(source, address, transfers)
            except StorageError as error:
                outcomes[source] = error

    threads = [threading.Thread(target=write, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[source] for source in sources]


def test_what_cannot_be_published_is_named(folder: Path, address: S3Address, transfers: Transfers) -> None:
    def refused() -> str:
        with pytest.raises(StorageError) as caught:
            publish(folder, address, transfers)
        return str(caught.value)

    (folder / "linked").symlink_to(folder / "Session1")
    assert f"{folder / 'linked'} is a link to a folder" in refused()
    (folder / "linked").unlink()
    (folder / "gone.wav").symlink_to(folder / "nothing")
    assert f"{folder / 'gone.wav'} is not a file that can be read" in refused()
    (folder / "gone.wav").unlink()
    (folder / "a\\b").touch()
    assert "'a\\\\b' cannot be the path of a file" in refused()
    (folder / "a\\b").unlink()
    (folder / "linked.wav").symlink_to(folder / "Session2/x.wav")
    (folder / ".x.wav.0123456789abcdef.part").touch()  # half-written by a process that was killed
    publication = publish(folder, address, transfers)
    assert publication.uploaded == 4
    assert len(publication.folder.inventory.files) == 6


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_files_is_refused(
    tmp_path: Path, address: S3Address, transfers: Transfers, made: bool
) -> None:
    if made:
        (tmp_path / "new").mkdir()
    reason = "has no files" if made else "there is no folder"
    with pytest.raises(StorageError, match=f"{reason}.*; check the path"):
        publish(tmp_path / "new", address, transfers)

"""Download of a folder in S3 to a local folder, checked and resumable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address, check_relative
from merflow.storage.s3.client import THREADS
from merflow.storage.s3.failures import explained
from merflow.storage.s3.inventory import INVENTORY
from merflow.storage.s3.local_files import remove_abandoned_parts
from merflow.storage.s3.objects import list_objects
from merflow.storage.s3.parallel import Progress, Tally, each_of
from merflow.storage.s3.published import read_published
from merflow.storage.s3.stored_files import StoredFile
from merflow.storage.s3.transfers import Transfers


@dataclass(frozen=True)
class Fetched:
    """The outcome of fetching a folder.

    Attributes:
        files: Number of its files.
        size: Their bytes.
        downloaded: Number of files that were missing locally, or differed.
        downloaded_bytes: Their bytes.
        published: True if the folder was published with SHA-256 digests, False if another program uploaded it.
        unchecked: Number of files for which only the size is known.
    """

    files: int
    size: int
    downloaded: int
    downloaded_bytes: int
    published: bool
    unchecked: int


class NothingThereError(StorageError):
    """There is no such folder."""


def fetch(
    address: S3Address,
    folder: Path,
    transfers: Transfers,
    *,
    wanted: Callable[[str], bool] = lambda _path: True,
    make_room: Callable[[Sequence[tuple[Path, int]]], None] = lambda _files: None,
    progress: Progress | None = None,
) -> Fetched:
    """Download a folder. Equal local files are kept, different ones replaced, and additional ones left alone.

    A published folder is checked against its SHA-256 digests, any other against the MD5 ETags that S3 reports.

    Args:
        address: The folder in S3.
        folder: The local folder; it is made if needed.
        transfers: Connection and patience.
        wanted: Returns True for the relative path of a file that should be downloaded; the others are left out.
        make_room: Called with the paths and bytes of the files before any of them is downloaded.
        progress: Called with the stage, the MiB done and the MiB of all files.

    Raises:
        NothingThereError: There is no such folder.
        StorageError: A file of it is missing or damaged, or S3 cannot be reached or refuses.
        OutputError: The local folder is read-only or the disk is full.
    """
    published = read_published(transfers.client, address, transfers.retries)
    if published is not None:
        files = published.files(transfers.client, transfers.retries)
    else:
        files = _listed_files(address, transfers)
    files = [file for file in files if wanted(file.path)]
    make_room([(folder / file.path, file.size) for file in files])
    if folder.is_dir():
        remove_abandoned_parts(folder)
    size = sum(file.size for file in files)
    tally = Tally("fetch", total=size, progress=progress)
    states = each_of(
        files, lambda file: _bring(file, folder / file.path, transfers, tally), threads=THREADS, stop=transfers.stop
    )
    tally.finish()
    new = [file for file, state in zip(files, states, strict=True) if state.downloaded]
    return Fetched(
        files=len(files),
        size=size,
        downloaded=len(new),
        downloaded_bytes=sum(file.size for file in new),
        published=published is not None,
        unchecked=sum(not state.checked for state in states),
    )


@dataclass(frozen=True)
class _State:
    downloaded: bool
    checked: bool


def _bring(file: StoredFile, path: Path, transfers: Transfers, tally: Tally) -> _State:
    """Download a file unless it is there."""
    with explained("read", file.address, transfers.client):
        there = transfers.retries.persist(lambda _number: file.is_at(path, transfers.client))
    if there is not False:
        tally.add(file.size)
        return _State(downloaded=False, checked=there is True)
    return _State(downloaded=True, checked=transfers.download(file, path, tally=tally))


def _listed_files(address: S3Address, transfers: Transfers) -> list[StoredFile]:
    """Return the objects of a folder that was not published by merflow.

    Raises:
        StorageError: There are none, they belong to published folders, or their names are not possible on disk.
    """
    listed = list_objects(transfers.client, address, transfers.retries)
    if not listed:
        raise NothingThereError(
            f"there is nothing in {address} at {transfers.client.meta.endpoint_url}; check the address, which must be "
            "that of a folder"
        )
    names = {each.path for each in listed}
    for name in names:
        check_relative(name, where=str(address))
        above = name.rpartition("/")[0]
        if name.endswith(f"/{INVENTORY}"):
            raise StorageError(f"{address} holds published folders; name one of them, such as {address / above}")
        if any(folder in names for folder in _folders_above(name)):
            raise StorageError(f"{address / above} is an object and a folder, which no disk can hold; rename one")
    return [StoredFile(each.path, address / each.path, each.size, etag=each.etag) for each in listed]


def _folders_above(path: str) -> list[str]:
    steps = path.split("/")
    return ["/".join(steps[:count]) for count in range(1, len(steps))]

"""Upload of a local folder to S3, where readers see it as a whole or not at all."""

from dataclasses import dataclass
from pathlib import Path

from merflow.errors import StorageError
from merflow.storage.s3.abandoned import abort_abandoned
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.checked_stream import sha256_of
from merflow.storage.s3.client import THREADS
from merflow.storage.s3.inventory import INVENTORY, Entry, Inventory, content_of, contents_of
from merflow.storage.s3.local_files import files_of
from merflow.storage.s3.objects import create_object, list_objects
from merflow.storage.s3.parallel import Progress, Tally, each_of
from merflow.storage.s3.published import PublishedFolder, read_published
from merflow.storage.s3.transfers import Transfers

_ROUNDS = 3  # of uploads: one, and two more if the server was restarted and has lost data


class DifferentFolderError(StorageError):
    """Another folder is published at the address."""


@dataclass(frozen=True)
class Publication:
    """The outcome of publishing a folder.

    Attributes:
        folder: The folder as readers see it now.
        first: True if this call made it visible; False if an equal folder was visible before, or if the network lost
            the answer that says so.
        uploaded: Number of contents that S3 lacked.
        uploaded_bytes: Their bytes.
    """

    folder: PublishedFolder
    first: bool
    uploaded: int
    uploaded_bytes: int


def publish(folder: Path, address: S3Address, transfers: Transfers, *, progress: Progress | None = None) -> Publication:
    """Publish a folder at an address that is empty or holds an equal folder.

    A call that is interrupted leaves nothing visible, and the next one uploads only what is missing. Of two writers at
    once, the first one wins. The other one learns whether its own folder is equal.

    Args:
        folder: The folder; nothing may write to it meanwhile.
        address: The address; no other data may be below it.
        transfers: Connection and patience.
        progress: Called with the stage, the MiB done and the MiB of all files.

    Raises:
        DifferentFolderError: The address holds another folder.
        StorageError: The local folder is empty or changes, or S3 cannot be reached or refuses.
    """
    client, retries = transfers.client, transfers.retries
    files = files_of(folder)
    before = read_published(client, address, retries)
    inventory = _inventory(files, transfers, progress)
    if before is not None:
        _check_equal(before, inventory, folder)
    count, size = _upload_missing(files, inventory, address, transfers, progress)
    created = before is None and create_object(client, address / INVENTORY, inventory.to_json(), retries)
    visible = read_published(client, address, retries)  # also a server without conditional writes is found out
    if visible is None:
        raise StorageError(f"{address / INVENTORY} was written and is gone; check who else deletes objects there")
    _check_equal(visible, inventory, folder)
    abort_abandoned(client, contents_of(address), complete={entry.sha256 for entry in inventory.files.values()})
    return Publication(visible, created, count, size)


def _inventory(files: dict[str, Path], transfers: Transfers, progress: Progress | None) -> Inventory:
    """Read all files and return their inventory."""
    sizes = {path: path.stat().st_size for path in files.values()}
    tally = Tally("read", total=sum(sizes.values()), progress=progress)

    def entry(path: Path) -> Entry:
        digest = sha256_of(path)
        tally.add(sizes[path])
        return Entry(size=sizes[path], sha256=digest)

    entries = each_of(list(files.values()), entry, threads=THREADS, stop=transfers.stop)
    tally.finish()
    return Inventory.of(dict(zip(files, entries, strict=True)))


def _upload_missing(
    files: dict[str, Path], inventory: Inventory, address: S3Address, transfers: Transfers, progress: Progress | None
) -> tuple[int, int]:
    """Upload each missing content once, until a listing shows all of them; return their number and bytes.

    Raises:
        StorageError: S3 loses what it has confirmed, or cannot be reached or refuses.
    """
    uploaded: dict[str, int] = {}
    for _ in range(_ROUNDS):
        missing = _missing(files, inventory, address, transfers)
        if not missing:
            return len(uploaded), sum(uploaded.values())
        uploaded |= {entry.sha256: entry.size for _, entry in missing}
        _upload(missing, address, transfers, progress)
    raise StorageError(f"{contents_of(address)} lacks contents that were just uploaded; check who else deletes there")


def _missing(
    files: dict[str, Path], inventory: Inventory, address: S3Address, transfers: Transfers
) -> list[tuple[Path, Entry]]:
    """Return the contents that S3 lacks, with a file that has each."""
    listed = list_objects(transfers.client, contents_of(address), transfers.retries)
    sizes = {each.path: each.size for each in listed}
    missing = {
        entry.sha256: (files[path], entry)
        for path, entry in inventory.files.items()
        if sizes.get(entry.sha256) != entry.size
    }
    return list(missing.values())


def _upload(
    contents: list[tuple[Path, Entry]], address: S3Address, transfers: Transfers, progress: Progress | None
) -> None:
    tally = Tally("publish", total=sum(entry.size for _, entry in contents), progress=progress)

    def upload(content: tuple[Path, Entry]) -> None:
        path, entry = content
        transfers.upload(path, content_of(address, entry.sha256), size=entry.size, sha256=entry.sha256, tally=tally)

    each_of(contents, upload, threads=THREADS, stop=transfers.stop)
    tally.finish()


def _check_equal(there: PublishedFolder, inventory: Inventory, folder: Path) -> None:
    """Raise if another folder is published.

    Raises:
        DifferentFolderError: With the paths that differ.
    """
    differences = there.inventory.differences(inventory)
    if differences:
        raise DifferentFolderError(
            f"{there.address} holds a folder that differs from {folder}: {differences}; choose another address, since "
            "what is published never changes"
        )

"""A published folder as readers see it: its inventory, and the locations of its files in S3."""

from dataclasses import dataclass

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client
from merflow.storage.s3.inventory import INVENTORY, Inventory, content_of, contents_of, parse_inventory
from merflow.storage.s3.objects import list_objects, read_object
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.stored_files import StoredFile

_READS = 5  # of an inventory that differs each time


@dataclass(frozen=True)
class PublishedFolder:
    """A folder that was published in S3, as a whole.

    Attributes:
        address: Its address.
        inventory: Its files.
    """

    address: S3Address
    inventory: Inventory

    def file(self, path: str) -> StoredFile:
        """Return one of the files.

        Raises:
            StorageError: The folder has no such file.
        """
        entry = self.inventory.files.get(path)
        if entry is None:
            raise StorageError(f"{self.address} has no file {path!r}; its files are in {self.address / INVENTORY}")
        return StoredFile(path, content_of(self.address, entry.sha256), entry.size, sha256=entry.sha256)

    def files(self, client: S3Client, retries: Retries) -> list[StoredFile]:
        """Return all files, with the ETags of their objects.

        Raises:
            StorageError: An object is missing, or S3 cannot be reached or refuses.
        """
        tags = {listed.path: listed.etag for listed in list_objects(client, contents_of(self.address), retries)}
        files = []
        for path, entry in self.inventory.files.items():
            if entry.sha256 not in tags:
                raise StorageError(
                    f"{content_of(self.address, entry.sha256)}, the content of {path}, is missing; publish the folder "
                    "again from where it came"
                )
            files.append(
                StoredFile(
                    path,
                    content_of(self.address, entry.sha256),
                    entry.size,
                    etag=tags[entry.sha256],
                    sha256=entry.sha256,
                )
            )
        return files


def read_published(client: S3Client, address: S3Address, retries: Retries) -> PublishedFolder | None:
    """Return the folder that is published at an address, or None if none is.

    Raises:
        StorageError: S3 cannot be reached or refuses, or the inventory is damaged.
    """
    content = read_object(client, address / INVENTORY, retries)
    for _ in range(_READS):
        if content is None:
            return None
        try:
            return PublishedFolder(address, parse_inventory(content, address=address))
        except StorageError:
            again = read_object(client, address / INVENTORY, retries)
            if again == content:  # it was not damaged on its way
                raise
            content = again
    raise StorageError(f"{address / INVENTORY} differs every time it is read; check the network")

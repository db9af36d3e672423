"""Download of recordings, or any other folder, from S3 to this machine."""

from pathlib import Path

from merflow.contracts.progress import Progress, plain_lines
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.fetching import Fetched
from merflow.storage.s3.fetching import fetch as fetch_folder
from merflow.storage.s3.transfers import Transfers


def fetch(address: str, folder: Path, *, endpoint: str | None = None, progress: Progress | None = None) -> Fetched:
    """Download a folder and check every file; see :func:`merflow.storage.s3.fetching.fetch`.

    Args:
        address: ``s3://bucket/prefix``.
        folder: The local folder.
        endpoint: URL of the server; see :func:`merflow.storage.s3.client.connect`.
        progress: Progress callback; plain lines if None.

    Raises:
        StorageError: There is no such folder, a file of it is missing or damaged, or S3 cannot be reached or refuses.
        OutputError: The local folder is read-only or the disk is full.
    """
    source = S3Address.parse(address)
    with Transfers(connect(endpoint)) as transfers:
        return fetch_folder(source, folder, transfers, progress=progress or plain_lines())

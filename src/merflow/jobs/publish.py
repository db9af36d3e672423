"""Upload of a folder from this machine to S3."""

from pathlib import Path

from merflow.contracts.progress import Progress, plain_lines
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.publishing import Publication
from merflow.storage.s3.publishing import publish as publish_folder
from merflow.storage.s3.transfers import Transfers


def publish(
    folder: Path, address: str, *, endpoint: str | None = None, progress: Progress | None = None
) -> Publication:
    """Publish a folder in S3, so that it becomes visible as a whole; see :func:`merflow.storage.s3.publishing.publish`.

    Args:
        folder: The local folder.
        address: ``s3://bucket/prefix``.
        endpoint: URL of the server; see :func:`merflow.storage.s3.client.connect`.
        progress: Progress callback; plain lines if None.

    Raises:
        StorageError: The address holds another folder, the local folder is empty or changes, or S3 cannot be reached
            or refuses.
    """
    target = S3Address.parse(address)
    with Transfers(connect(endpoint)) as transfers:
        return publish_folder(folder, target, transfers, progress=progress or plain_lines())

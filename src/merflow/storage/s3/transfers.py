"""Files from S3 to disk and back, in parallel parts, checked and repeated until they are right."""

from pathlib import Path
from typing import Any

from merflow.storage.local import replacing
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.checked_stream import CheckedStream
from merflow.storage.s3.client import THREADS, S3Client
from merflow.storage.s3.failures import DamagedError, explained
from merflow.storage.s3.parallel import Tally
from merflow.storage.s3.retries import Retries, StoppedError
from merflow.storage.s3.stored_files import StoredFile

PART_BYTES = 8 << 20  # files from this size on go in parts


class Transfers:
    """Transfers with one client; a context manager that ends them, whatever ends the block.

    A folder whose transfer failed leaves these transfers stopped; open new ones for the next folder.

    Args:
        client: The client of :func:`merflow.storage.s3.client.connect`.
        retries: The patience of all transfers together.
    """

    def __init__(self, client: S3Client, retries: Retries | None = None) -> None:
        from s3transfer.manager import TransferConfig, TransferManager

        self.client = client
        self.retries = retries or Retries()
        config = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_request_concurrency=THREADS
        )
        self._manager = TransferManager(client, config)

    def __enter__(self) -> "Transfers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stop()
        self._manager.shutdown()

    def stop(self) -> None:
        """Give up all transfers; their calls end with an error."""
        self.retries.stopped.set()
        error = StoppedError("stopped, because another file failed")
        # Not shutdown(cancel=True), which confuses its arguments in s3transfer 0.19.
        self._manager.__exit__(StoppedError, error, None)

    def download(self, stored: StoredFile, path: Path, *, tally: Tally) -> bool:
        """Download a file; it replaces ``path`` once it is complete and right, and not before.

        Returns:
            True if its content was checked, False if the server gives nothing but the size to check it by.

        Raises:
            StorageError: The file cannot be read, or arrives damaged again and again.
            OutputError: The folder is read-only or the disk is full.
        """
        with explained("read", stored.address, self.client), replacing(path) as part:
            return self.retries.persist(lambda number: self._attempt_download(stored, part, number, tally))

    def _attempt_download(self, stored: StoredFile, part: Path, number: int, tally: Tally) -> bool:
        # A tag may have been damaged on its way, so that later attempts ask for it.
        known = _Known(stored, tally) if number == 0 and stored.etag else _Counted(tally)
        address = stored.address
        try:
            with part.open("wb") as file:
                self._manager.download(address.bucket, address.key, file, subscribers=[known]).result()
            equal = stored.is_at(part, self.client)
            if equal is False:
                raise DamagedError(
                    f"{address} does not arrive as it was stored ({stored.size} bytes, {_digest(stored)}); run the "
                    "command again, and if the error stays, delete the object and upload it again"
                )
        except BaseException:
            known.take_back()
            raise
        return equal is True

    def upload(self, path: Path, address: S3Address, *, size: int, sha256: str, tally: Tally) -> None:
        """Upload a file whose size and digest are known; it appears in S3 as a whole or not at all.

        Raises:
            StorageError: S3 cannot be reached or refuses, or the file has changed since its digest was computed.
        """

        def attempt(_number: int) -> None:
            counted = _Counted(tally)
            try:
                with CheckedStream(path, size=size, sha256=sha256) as stream:
                    self._manager.upload(stream, address.bucket, address.key, subscribers=[counted]).result()
            except BaseException:
                counted.take_back()
                raise

        with explained("write", address, self.client):
            self.retries.persist(attempt)


class _Counted:
    """A subscriber of s3transfer that counts bytes."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._count = 0

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:  # noqa: ANN401 - s3transfer's keywords
        """Count bytes that have arrived, or that have to be sent again."""
        self._count += bytes_transferred
        self._tally.add(bytes_transferred)

    def take_back(self) -> None:
        """Uncount the bytes of a failed attempt."""
        self._tally.add(-self._count)
        self._count = 0


class _Known(_Counted):
    """A subscriber that saves s3transfer a request, because the size and the tag of the object are known."""

    def __init__(self, stored: StoredFile, tally: Tally) -> None:
        super().__init__(tally)
        self._stored = stored

    def on_queued(self, future: Any, **_: Any) -> None:  # noqa: ANN401 - s3transfer has no types
        """Hand over what is known."""
        future.meta.provide_transfer_size(self._stored.size)
        future.meta.provide_object_etag(f'"{self._stored.etag}"')


def _digest(stored: StoredFile) -> str:
    return f"SHA-256 {stored.sha256}" if stored.sha256 else f"ETag {stored.etag}"

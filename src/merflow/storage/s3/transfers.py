"""Transfers of files between S3 and disk, in parallel parts, checked and retried until they are correct.

s3transfer is not used: a transfer that is submitted while another thread stops its manager is never reported as done,
and the manager's shutdown waits for it forever (0.19).
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from merflow.storage.local import replacing
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.checked_stream import CheckedStream
from merflow.storage.s3.client import THREADS, S3Client
from merflow.storage.s3.failures import DamagedError, explained
from merflow.storage.s3.multipart import upload_in_parts
from merflow.storage.s3.parallel import Tally, parts_of
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.stored_files import SHA256, StoredFile

PART_BYTES = 8 << 20  # files from this size on go in parts
_BLOCK = 256 << 10
_PART_ATTEMPTS = 3  # before the whole file is fetched again


class Transfers:
    """Transfers with one client; a context manager that ends them, whatever ends the block.

    A folder whose transfer failed leaves these transfers stopped; open new ones for the next folder.

    Args:
        client: The client of :func:`merflow.storage.s3.client.connect`.
        retries: The patience of all transfers together.
    """

    def __init__(self, client: S3Client, retries: Retries | None = None) -> None:
        self.client = client
        self.retries = retries or Retries()
        # Files are worked on in threads of their callers, which wait for those of the parts, and never the reverse.
        self._parts = ThreadPoolExecutor(THREADS, thread_name_prefix="s3-parts")
        self._in_memory = threading.Semaphore(THREADS)

    def __enter__(self) -> "Transfers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stop()
        self._parts.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """Give up all transfers; their calls end with an error, at the latest when their requests time out."""
        self.retries.stopped.set()

    def download(self, stored: StoredFile, path: Path, *, tally: Tally) -> bool:
        """Download a file; it replaces ``path`` only once it is complete and verified.

        Returns:
            True if its content was checked, False if only its size could be checked.

        Raises:
            StorageError: The file cannot be read, or arrives damaged again and again.
            OutputError: The folder is read-only or the disk is full.
        """
        with explained("read", stored.address, self.client), replacing(path) as part:
            return self.retries.persist(lambda _number: self._attempt_download(stored, part, tally))

    def _attempt_download(self, stored: StoredFile, part: Path, tally: Tally) -> bool:
        counted = _Counted(tally)
        try:
            with part.open("wb") as file:
                told = self._read_parts(stored, file.fileno(), counted)
            known = stored if stored.sha256 or not told else replace(stored, sha256=told)
            equal = known.is_at(part, self.client)
            if equal is False:
                raise _damaged(stored)
        except BaseException:
            counted.take_back()
            raise
        return equal is True

    def _read_parts(self, stored: StoredFile, file: int, counted: "_Counted") -> str:
        """Read all bytes of an object into an open file; return the SHA-256 in its metadata, empty if it has none."""
        if stored.size < PART_BYTES:
            return self._read(stored, file, counted, start=0, end=stored.size)
        starts = range(0, stored.size, PART_BYTES)

        def read(start: int) -> str:
            return self._read(stored, file, counted, start=start, end=min(start + PART_BYTES, stored.size))

        told = set(parts_of(starts, read, pool=self._parts))
        return told.pop() if len(told) == 1 else ""

    def _read(self, stored: StoredFile, file: int, counted: "_Counted", *, start: int, end: int) -> str:
        """Read the bytes of an object from ``start`` to before ``end``; a part of a large file is tried some times."""
        whole = end - start == stored.size

        def attempt(_number: int) -> str:
            options = {} if whole else {"Range": f"bytes={start}-{end - 1}"}
            answer = self.client.get_object(Bucket=stored.address.bucket, Key=stored.address.key, **options)
            body, position = answer["Body"], start
            try:
                for block in iter(lambda: body.read(_BLOCK), b""):
                    self.retries.go_on()
                    if position + len(block) > end:
                        raise _damaged(stored)
                    os.pwrite(file, block, position)
                    position += len(block)
                    counted.add(len(block))
                if position != end:
                    raise _damaged(stored)
            except BaseException:
                counted.add(start - position)
                raise
            finally:
                body.close()
            return str(answer.get("Metadata", {}).get(SHA256, ""))

        return self._for_a_part(attempts=1 if whole else _PART_ATTEMPTS).persist(attempt)

    def upload(self, path: Path, address: S3Address, *, size: int, sha256: str, tally: Tally) -> None:
        """Upload a file whose size and digest are known; it appears in S3 as a whole or not at all.

        The object's metadata hold the digest, by which downloads of it are checked.

        Raises:
            StorageError: S3 cannot be reached or refuses, or the file has changed since its digest was computed.
        """

        def attempt(_number: int) -> None:
            counted = _Counted(tally)
            try:
                with CheckedStream(path, size=size, sha256=sha256) as stream:
                    if size < PART_BYTES:
                        self.client.put_object(
                            Bucket=address.bucket, Key=address.key, Body=stream.read(), Metadata={SHA256: sha256}
                        )
                        counted.add(size)
                    else:
                        self._upload_parts(stream, address, sha256, counted)
            except BaseException:
                counted.take_back()
                raise

        with explained("write", address, self.client):
            self.retries.persist(attempt)

    def _upload_parts(self, stream: CheckedStream, address: S3Address, sha256: str, counted: "_Counted") -> None:
        upload_in_parts(
            self.client,
            address,
            iter(lambda: stream.read(PART_BYTES), b""),
            metadata={SHA256: sha256},
            pool=self._parts,
            permits=self._in_memory,
            retries=self._for_a_part(),
            uploaded=counted.add,
        )

    def _for_a_part(self, attempts: int = _PART_ATTEMPTS) -> Retries:
        """Return the patience with one part; after that, the whole file is retried."""
        return Retries(attempts=attempts, first_wait_s=self.retries.first_wait_s, stopped=self.retries.stopped)


class _Counted:
    """Bytes of one attempt at a file; threads may share it."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._count = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Count bytes that have arrived, or a negative number that has to be sent again."""
        with self._lock:
            self._count += count
        self._tally.add(count)

    def take_back(self) -> None:
        """Uncount the bytes of a failed attempt."""
        self._tally.add(-self._count)
        self._count = 0


def _damaged(stored: StoredFile) -> DamagedError:
    digest = f"SHA-256 {stored.sha256}" if stored.sha256 else f"ETag {stored.etag}"
    return DamagedError(
        f"{stored.address} does not arrive as it was stored ({stored.size} bytes, {digest}); run the command again, "
        "and if the error stays, delete the object and upload it again"
    )

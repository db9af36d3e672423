"""The upload of a large file in parts, which either all appear as one object or leave nothing behind."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from threading import Semaphore
from typing import Any

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client
from merflow.storage.s3.failures import known_errors
from merflow.storage.s3.retries import Retries

_CHECKSUM = "CRC32"  # boto3's own for single requests


def upload_in_parts(
    client: S3Client,
    address: S3Address,
    contents: Iterable[bytes],
    *,
    metadata: Mapping[str, str],
    pool: Executor,
    permits: Semaphore,
    retries: Retries,
    uploaded: Callable[[int], None],
) -> None:
    """Upload an object as parts, several at once.

    Args:
        client: A client.
        address: The object.
        contents: The parts in order, none of them empty; an error in reading them ends the upload.
        metadata: Kept with the object.
        pool: Threads for the parts.
        permits: Limits the number of parts of all files in memory.
        retries: Patience with one part.
        uploaded: Called with the bytes of each part that has arrived.

    Raises:
        StoppedError: Another file failed meanwhile.
    """
    target = {"Bucket": address.bucket, "Key": address.key}
    checked = client.meta.config.request_checksum_calculation == "when_supported"
    algorithm = {"ChecksumAlgorithm": _CHECKSUM} if checked else {}
    started = client.create_multipart_upload(**target, **algorithm, Metadata=dict(metadata))
    upload = target | {"UploadId": started["UploadId"]}

    def send(number: int, content: bytes) -> dict[str, Any]:
        try:
            answer = retries.persist(
                lambda _: client.upload_part(**upload, **algorithm, PartNumber=number, Body=content)
            )
        finally:
            permits.release()
        uploaded(len(content))
        sums = {name: answer[name] for name in (f"Checksum{_CHECKSUM}",) if name in answer}
        return {"PartNumber": number, "ETag": answer["ETag"], **sums}

    futures: list[Future[dict[str, Any]]] = []
    try:
        for number, content in enumerate(_permitted(contents, permits), start=1):
            futures.append(pool.submit(send, number, content))
            _raise_first(futures)
        parts = [future.result() for future in futures]
        retries.go_on()
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    except BaseException:
        for future in futures:
            if future.cancel():
                permits.release()
        wait(futures)  # a part that arrives after the end would stay forever
        with suppress(*known_errors()):
            client.abort_multipart_upload(**upload)
        raise


def _permitted(contents: Iterable[bytes], permits: Semaphore) -> Iterator[bytes]:
    """Yield parts, each with a permit that the uploader has to release."""
    parts = iter(contents)
    while True:
        permits.acquire()
        try:
            content = next(parts, b"")
        except BaseException:
            permits.release()
            raise
        if not content:
            permits.release()
            return
        yield content


def _raise_first(futures: Iterable["Future[Any]"]) -> None:
    for future in futures:
        if future.done():
            future.result()

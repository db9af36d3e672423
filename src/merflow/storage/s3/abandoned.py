"""Unfinished multipart uploads of killed processes: their parts are invisible, but are billed to their owner."""

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client
from merflow.storage.s3.failures import known_errors

_EXPIRY = timedelta(days=1)


def abort_abandoned(client: S3Client, folder: S3Address, *, complete: Collection[str]) -> int:
    """Abort the unneeded unfinished uploads in a folder; return the number of aborted uploads.

    An error from S3 ends this early: the next publication tries again, and not everyone may list uploads.

    Args:
        client: A client.
        folder: The folder.
        complete: Paths of complete objects. An upload of one of them is not needed, even if its process lives: that
            process starts again and finds nothing wrong. Other uploads are aborted if they began over a day ago.
    """
    count = 0
    with suppress(*known_errors()):
        for key, upload in _unneeded(client, folder, complete):
            client.abort_multipart_upload(Bucket=folder.bucket, Key=key, UploadId=upload)
            count += 1
    return count


def _unneeded(client: S3Client, folder: S3Address, complete: Collection[str]) -> list[tuple[str, str]]:
    """Return key and id of each unneeded upload."""
    oldest = datetime.now(UTC) - _EXPIRY
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=folder.bucket, Prefix=folder.prefix)
    return [
        (upload["Key"], upload["UploadId"])
        for page in pages
        for upload in page.get("Uploads", ())
        if upload["Key"].removeprefix(folder.prefix) in complete or upload["Initiated"] < oldest
    ]

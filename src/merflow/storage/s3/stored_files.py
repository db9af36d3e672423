"""Files in S3, and the check that a file on disk equals one of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from merflow.storage.local import file_md5
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.checked_stream import sha256_of
from merflow.storage.s3.client import S3Client

_BLOCK = 1 << 20
SHA256 = "sha256"  # in the metadata of objects that merflow wrote
# Encryption whose ETag is not a digest of the content.
_KEYED = "aws:kms"


@dataclass(frozen=True)
class StoredFile:
    """An object that is a file of a folder.

    Attributes:
        path: Relative path of the file, with slashes.
        address: The object.
        size: Its bytes.
        etag: The ETag that the server reports, without quotes; empty if unknown.
        sha256: Its digest; empty if it was not published by merflow.
    """

    path: str
    address: S3Address
    size: int
    etag: str = ""
    sha256: str = ""

    def is_at(self, path: Path, client: S3Client) -> bool | None:
        """Return True if a file on disk has this content, and None if that is unknown: only the sizes are equal.

        Args:
            path: The file.
            client: Asked about an object that was not published, if its tag may be no digest of it.
        """
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256:
            return sha256_of(path) == self.sha256
        if self.etag == file_md5(path):
            return True
        head = client.head_object(Bucket=self.address.bucket, Key=self.address.key, PartNumber=1)
        if head.get("ServerSideEncryption", "").startswith(_KEYED) or head.get("SSECustomerAlgorithm"):
            return None
        if "-" not in self.etag:
            return False
        return self._has_parts_of(path, part_bytes=head["ContentLength"])

    def _has_parts_of(self, path: Path, *, part_bytes: int) -> bool | None:
        """Return True if the file's parts have this ETag; None if the server does not report the part boundaries."""
        parts = int(self.etag.rpartition("-")[2])
        if part_bytes <= 0 or -(-self.size // part_bytes) != parts:
            return None
        return etag_of_parts(path, part_bytes=part_bytes) == self.etag


def etag_of_parts(path: Path, *, part_bytes: int) -> str:
    """Return the ETag that S3 gives a file that was uploaded in parts: the MD5 of their MD5s, and their number.

    Args:
        path: The file.
        part_bytes: Size of each part but the last.
    """
    digests = []
    with path.open("rb") as file:
        for start in range(0, path.stat().st_size, part_bytes):
            summary = hashlib.md5(usedforsecurity=False)
            for read in range(start, start + part_bytes, _BLOCK):
                summary.update(file.read(min(_BLOCK, start + part_bytes - read)))
            digests.append(summary.digest())
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"

"""Addresses of S3: ``s3://bucket/prefix``."""

import re
from dataclasses import dataclass

from merflow.errors import StorageError

_SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
# Windows separates folders by a backslash; surrogates represent bytes that are not UTF-8.
_FORBIDDEN = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")
_FORM = "write it as s3://BUCKET/FOLDER"


@dataclass(frozen=True)
class S3Address:
    """A bucket and a key in it: the name of an object, or the common start of the names of a folder's objects.

    Attributes:
        bucket: Name of the bucket.
        key: Key without a slash at either end; empty for the whole bucket.
    """

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> "S3Address":
        """Parse ``s3://bucket/prefix``; a trailing slash is ignored.

        Raises:
            StorageError: The text is not such an address.
        """
        if not text.startswith(_SCHEME):
            raise StorageError(f"{text!r} is not an S3 address; {_FORM}")
        bucket, _, key = text.removeprefix(_SCHEME).partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise StorageError(
                f"{text!r} names no bucket: {bucket!r} is not 3 to 63 lower-case letters, digits, dots and hyphens; "
                f"{_FORM}"
            )
        key = key.removesuffix("/")
        check_relative(key or "-", where=text)
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.key}" if self.key else f"{_SCHEME}{self.bucket}"

    def __truediv__(self, path: str) -> "S3Address":
        """Return the address of an object or folder below this one."""
        return S3Address(self.bucket, f"{self.key}/{path}" if self.key else path)

    @property
    def prefix(self) -> str:
        """Start of all keys in this folder; empty for the whole bucket."""
        return f"{self.key}/" if self.key else ""


def check_relative(path: str, *, where: str) -> None:
    """Raise if a path could leave the folder that it is relative to, or has no equal on both sides.

    Raises:
        StorageError: The path is empty or absolute, or a part of it is empty, ``.`` or ``..``, or no file can have it.
    """
    steps = path.split("/")
    if any(step in ("", ".", "..") for step in steps) or _FORBIDDEN.search(path):
        raise StorageError(
            f"{where}: {path!r} cannot be the path of a file in a folder; rename it without empty parts, dots alone, "
            "backslashes, control characters and bytes that are not UTF-8"
        )

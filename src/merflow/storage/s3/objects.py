"""Operations on small whole objects: read, list, and create if absent."""

from collections.abc import Iterator
from dataclasses import dataclass

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client
from merflow.storage.s3.failures import code_of, explained, is_missing
from merflow.storage.s3.retries import Retries

_ALREADY_THERE = "PreconditionFailed"


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing shows it.

    Attributes:
        path: Path relative to the folder that was listed.
        size: Its bytes.
        etag: The server's tag of its content, without quotes.
    """

    path: str
    size: int
    etag: str


def read_object(client: S3Client, address: S3Address, retries: Retries) -> bytes | None:
    """Return the content of an object, or None if the bucket has none of this name.

    Raises:
        StorageError: S3 cannot be reached or refuses.
    """
    from botocore.exceptions import ClientError

    def attempt(_number: int) -> bytes | None:
        try:
            return bytes(client.get_object(Bucket=address.bucket, Key=address.key)["Body"].read())
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    with explained("read", address, client):
        return retries.persist(attempt)


def create_object(client: S3Client, address: S3Address, content: bytes, retries: Retries) -> bool:
    """Write an object if there is none of this name; return False if there is one.

    It may also be False if this call has written the object but lost the response, so compare the contents.

    Raises:
        StorageError: S3 cannot be reached or refuses.
    """
    from botocore.exceptions import ClientError

    def attempt(_number: int) -> bool:
        try:
            client.put_object(Bucket=address.bucket, Key=address.key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) == _ALREADY_THERE:
                return False
            raise
        return True

    with explained("write", address, client):
        return retries.persist(attempt)


def list_objects(client: S3Client, folder: S3Address, retries: Retries) -> list[ListedObject]:
    """Return all objects in a folder and its subfolders, except the empty ones that mark folders.

    Raises:
        StorageError: S3 cannot be reached or refuses.
    """
    with explained("list", folder, client):
        return retries.persist(lambda _number: list(_listed(client, folder)))


def _listed(client: S3Client, folder: S3Address) -> Iterator[ListedObject]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=folder.prefix)
    for page in pages:
        for each in page.get("Contents", ()):
            path = each["Key"].removeprefix(folder.prefix)
            if path and not path.endswith("/"):
                yield ListedObject(path, each["Size"], each["ETag"].strip('"'))


def head_object(client: S3Client, address: S3Address, retries: Retries) -> ListedObject | None:
    """Return an object's size and tag, or None if there is none of this name.

    Raises:
        StorageError: S3 cannot be reached or refuses.
    """
    from botocore.exceptions import ClientError

    def attempt(_number: int) -> ListedObject | None:
        try:
            head = client.head_object(Bucket=address.bucket, Key=address.key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        return ListedObject(address.key, head["ContentLength"], head["ETag"].strip('"'))

    with explained("read", address, client):
        return retries.persist(attempt)


def delete_objects(client: S3Client, folder: S3Address, retries: Retries) -> None:
    """Delete all objects in a folder and its subfolders.

    Raises:
        StorageError: S3 cannot be reached or refuses.
    """
    for listed in list_objects(client, folder, retries):
        _delete(client, folder / listed.path, retries)


def _delete(client: S3Client, address: S3Address, retries: Retries) -> None:
    with explained("delete", address, client):
        retries.persist(lambda _number: client.delete_object(Bucket=address.bucket, Key=address.key))

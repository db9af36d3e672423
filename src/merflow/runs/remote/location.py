"""The environment variables that tell a pod that its workspace is in S3."""

from collections.abc import Mapping

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address

ADDRESS = "MERFLOW_WORKSPACE"  # s3://bucket/prefix
LIMIT = "MERFLOW_SCRATCH_GIB"  # of the pod's own folder


def remote_address(environment: Mapping[str, str]) -> S3Address | None:
    """Return the address of the workspace; None if it is a folder.

    Raises:
        StorageError: It is not an S3 address.
    """
    text = environment.get(ADDRESS, "")
    return S3Address.parse(text) if text else None


def scratch_bytes(environment: Mapping[str, str]) -> int | None:
    """Return the size limit of the pod's own folder in bytes; None without one.

    Raises:
        StorageError: It is not a number.
    """
    text = environment.get(LIMIT, "")
    try:
        return round(float(text) * 2**30) if text else None
    except ValueError as error:
        raise StorageError(f"{LIMIT} {text!r} is not a number of GiB; set cluster.scratch_gib") from error

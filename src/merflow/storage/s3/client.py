"""Connections to S3 or any server that speaks its protocol."""

from typing import Any
from urllib.parse import urlsplit

from merflow.errors import StorageError

# A client of boto3, which has no types.
S3Client = Any

THREADS = 16  # requests at once
_CONNECT_S = 10.0
_READ_S = 60.0  # without a byte
_ATTEMPTS = 3  # of boto3 per request; merflow.storage.s3.retries has the long patience
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu")


def connect(endpoint: str | None = None, *, read_timeout_s: float = _READ_S) -> S3Client:
    """Return a client; nothing is sent yet.

    Credentials, region and profile come from the usual chain: variables (``AWS_ACCESS_KEY_ID``, ...), ``~/.aws``, the
    pod's service account or the machine's role.

    Args:
        endpoint: URL of the server. Without it, ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL``, the profile's
            ``endpoint_url``, else Amazon's.
        read_timeout_s: Seconds without a byte after which a request counts as failed.

    Raises:
        StorageError: boto3 is not installed, the profile does not exist, or the endpoint is not a URL.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        raise StorageError("S3 needs boto3, which is not installed; run: pip install 'merflow[s3]'") from error
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=read_timeout_s,
        tcp_keepalive=True,
        max_pool_connections=2 * THREADS,  # of files and of parts of files
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    try:
        session = boto3.session.Session()
        client = session.client("s3", endpoint_url=endpoint, config=config)
        if _is_amazon(client.meta.endpoint_url):
            return client
        # Self-hosted servers seldom have a host name per bucket.
        by_path = config.merge(Config(s3={"addressing_style": "path"}))
        return session.client("s3", endpoint_url=endpoint, config=by_path)
    except (BotoCoreError, ValueError) as error:
        raise StorageError(
            f"cannot connect to S3{f' at {endpoint}' if endpoint else ''}: {error}; check AWS_PROFILE and the address "
            "of the server, as in http://HOST:PORT"
        ) from error


def _is_amazon(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith(_AMAZON)

"""Errors of boto3 as messages for users, and the distinction of temporary errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client

_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_SERVER = "check the network and the server's address (--endpoint, AWS_ENDPOINT_URL)"
_AGAIN = "run the same command again; it continues where it stopped"
_PERMISSION = "get permission to list, read and, to publish, write there"
# Error code of S3, or name of an exception -> remedy. HEAD has no body, so its codes are the HTTP status.
_REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct the address",
    "InvalidBucketName": "correct the name of the bucket",
    "NoSuchKey": "check the address",
    "404": "check the address",
    "AccessDenied": _PERMISSION,
    "403": _PERMISSION,
    "AllAccessDisabled": _PERMISSION,
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID and AWS_PROFILE",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "renew the credentials",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": "set AWS_REGION to the bucket's region",
    "AuthorizationHeaderMalformed": "set AWS_REGION to the bucket's region",
    "NotImplemented": "use a newer server, or set AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
    "NoCredentialsError": _KEYS,
    "PartialCredentialsError": _KEYS,
    "TokenRetrievalError": "renew the credentials",
    "EndpointConnectionError": _SERVER,
    "ConnectTimeoutError": _SERVER,
    "SSLError": "check the server's certificate, or set AWS_CA_BUNDLE",
    "ProxyConnectionError": "check HTTPS_PROXY",
}
# Codes of requests or responses that were damaged in transit, or came too fast.
_PASSING_CODES = {
    *("SlowDown", "Throttling", "RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable"),
    *("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"),
    *("NoSuchUpload", "InvalidPart", "OperationAborted", "ConditionalRequestConflict"),
}
_FIRST_SERVER_ERROR, _TOO_MANY = 500, 429


class DamagedError(StorageError):
    """A file did not arrive as it was sent."""


@contextmanager
def explained(doing: str, address: S3Address, client: S3Client) -> Iterator[None]:
    """Turn errors of boto3 within the block into errors for users.

    Args:
        doing: The attempted action, for example ``read``.
        address: Its object.
        client: The client that makes the requests.

    Raises:
        StorageError: S3 cannot be reached, or refuses.
    """
    try:
        yield
    except known_errors() as error:
        raise StorageError(
            f"cannot {doing} {address} at {client.meta.endpoint_url}: {_sentence(error)}; {_remedy(error)}"
        ) from error


def known_errors() -> tuple[type[Exception], ...]:
    """Return the types of boto3's errors that are not programming errors."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError, *_unfinished())


def _unfinished() -> tuple[type[Exception], ...]:
    """Return the types of errors about responses that end early or make no sense."""
    from botocore.exceptions import HTTPClientError, IncompleteReadError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError  # boto3 lets it through where the body of a listing stays out

    return (HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError)


def code_of(error: Exception) -> str:
    """Return the code that S3 gave an error; empty if it comes from elsewhere."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def is_missing(error: Exception) -> bool:
    """Return True if S3 says that there is no such object, in a bucket that exists."""
    return code_of(error) in ("NoSuchKey", "404")


def is_unreachable(error: Exception) -> bool:
    """Return True if no server answers at the address."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

    return isinstance(error, EndpointConnectionError | ConnectTimeoutError)


def is_passing(error: Exception) -> bool:
    """Return True if the request may succeed later: the server or the network failed, or damaged the data."""
    from botocore.exceptions import FlexibleChecksumError

    damaged = (DamagedError, FlexibleChecksumError, *_unfinished())
    passes = isinstance(error, damaged) or is_unreachable(error) or _is_busy(error)
    return passes or code_of(error) in _PASSING_CODES


def _is_busy(error: Exception) -> bool:
    response = getattr(error, "response", None)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) if isinstance(response, dict) else 0
    return status >= _FIRST_SERVER_ERROR or status == _TOO_MANY


def _remedy(error: Exception) -> str:
    known = (_REMEDIES.get(word) for word in (code_of(error), type(error).__name__))
    return next((remedy for remedy in known if remedy), _AGAIN)


def _sentence(error: Exception) -> str:
    """Return the message of an error on one line."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return " ".join(str(error).split()).rstrip(".")
    found = response.get("Error", {})
    return f"{found.get('Code')}, {str(found.get('Message')).rstrip('.')}"

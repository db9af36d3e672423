"""S3: an object can be written, read and deleted, and a conditional write keeps a second writer away."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from merflow.doctor.findings import Finding

_PATIENCE_S = 10
_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
# Error code of S3, or name of an exception -> remedy.
_REMEDIES = {
    "NoSuchBucket": "create the bucket, or correct s3 in the cluster profile",
    "AccessDenied": "allow reading, writing and deleting below this prefix",
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "NoCredentialsError": _KEYS,
    "PartialCredentialsError": _KEYS,
    "ProfileNotFound": "choose a profile from ~/.aws/config",
    "EndpointConnectionError": "check the network and s3_endpoint in the cluster profile",
    "ConnectTimeoutError": "check the network and s3_endpoint in the cluster profile",
}
_HELD = ("PreconditionFailed", "412")


def check_bucket(location: str, *, endpoint: str | None) -> Finding:
    """Write an object below the location, try to write it again on the condition that it does not exist, delete it."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError as error:
        return Finding("wrong", f"{error.name} is not installed here", "pip install 'merflow[versioning]'")
    parts = urlsplit(location)
    key = "/".join(part for part in (parts.path.strip("/"), f"merflow-doctor-{secrets.token_hex(8)}") if part)
    where = f"{location} at {endpoint or 'AWS'}"
    config = Config(connect_timeout=_PATIENCE_S, read_timeout=_PATIENCE_S, retries={"max_attempts": 2})
    try:
        client = boto3.session.Session().client("s3", endpoint_url=endpoint, config=config)
        return _write_and_delete(client, bucket=parts.netloc, key=key, where=where)
    except (BotoCoreError, ClientError, ValueError) as error:
        code = _code(error)
        return Finding("wrong", f"{where}: {error}", _REMEDIES.get(code, "see the log of the S3 server"))


def _write_and_delete(client: Any, *, bucket: str, key: str, where: str) -> Finding:  # noqa: ANN401 - boto3 has no types
    content = key.encode()
    client.put_object(Bucket=bucket, Key=key, Body=content)
    try:
        read = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        held = _is_held(client, bucket=bucket, key=key)
    finally:
        client.delete_object(Bucket=bucket, Key=key)
    left = client.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount", 0)
    if read != content:
        return Finding("wrong", f"{where}: an object read back differs from the one written", "check the S3 server")
    if left:
        return Finding("warning", f"{where}: the object {key} still exists after it was deleted", "allow deleting")
    if not held:
        return Finding(
            "warning",
            f"{where}: conditional writes (If-None-Match) have no effect, and two workers could overwrite each other",
            "use a server that supports them: AWS, SeaweedFS, MinIO or Ceph in a recent version",
        )
    return Finding("ok", f"{where}: objects can be written, read and deleted, and conditional writes work")


def _is_held(client: Any, *, bucket: str, key: str) -> bool:  # noqa: ANN401 - boto3 has no types
    """Return True if a write that requires a new key is refused for an existing one."""
    from botocore.exceptions import ClientError

    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"second", IfNoneMatch="*")
    except ClientError as error:
        return _code(error) in _HELD
    return False


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response["Error"].get("Code", "")) if isinstance(response, dict) else type(error).__name__

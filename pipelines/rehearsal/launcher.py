"""A launcher that starts a step inside its pod, in place of KFP's. It needs botocore and nothing from merflow.

It downloads the input artifacts from S3, runs the step's own command, uploads the output artifacts, and prints the
outputs on one line after :data:`MARK`. This line comes last: a step without it has not finished. The command does not
see the launcher's credentials.

Usage: ``launcher.py EXECUTOR_INPUT COMMAND``, both as JSON; ``{{$}}`` in the command stands for the executor input.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

MARK = "merflow-rehearsal-outputs "
PLACEHOLDER = "{{$}}"
VARIABLES = ("LAUNCHER_S3_ENDPOINT", "LAUNCHER_S3_ACCESS_KEY", "LAUNCHER_S3_SECRET_KEY")
_CONNECT_S, _READ_S, _ATTEMPTS = 5, 60, 8


def main() -> int:
    """Run the step; return its exit code."""
    text, command = sys.argv[1:]
    endpoint, access_key, secret_key = (os.environ.pop(name) for name in VARIABLES)
    inputs: dict[str, Any] = json.loads(text)
    client = connect(endpoint, access_key, secret_key)
    for artifact in _artifacts(inputs["inputs"]):
        download(client, artifact["uri"], local_path(artifact["uri"]))
    outputs = inputs["outputs"]
    files = [outputs["outputFile"], *(each["outputFile"] for each in outputs["parameters"].values())]
    for path in [*map(Path, files), *(local_path(each["uri"]) for each in _artifacts(outputs))]:
        path.parent.mkdir(parents=True, exist_ok=True)
    code = _run([word.replace(PLACEHOLDER, text) for word in json.loads(command)])
    if code == 0:
        found = collected(outputs)
        for artifact in found["artifacts"].values():
            upload(client, local_path(artifact["uri"]), artifact["uri"])
        sys.stdout.write(f"\n{MARK}{json.dumps(found)}\n")
        sys.stdout.flush()
    return code


def collected(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters and artifacts that the command wrote.

    Raises:
        FileNotFoundError: The command did not write a parameter.
    """
    path = Path(outputs["outputFile"])
    said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    parameters = dict(said.get("parameterValues", {}))
    for name, each in outputs["parameters"].items():
        if name not in parameters:
            parameters[name] = Path(each["outputFile"]).read_text(encoding="utf-8")
    artifacts = {}
    for name, each in outputs["artifacts"].items():
        (planned,) = each["artifacts"]
        (made,) = said.get("artifacts", {}).get(name, {}).get("artifacts", [{}])
        artifacts[name] = {**planned, "metadata": made.get("metadata", {})}
    return {"parameters": parameters, "artifacts": artifacts}


def connect(endpoint: str, access_key: str, secret_key: str) -> Any:  # noqa: ANN401 - botocore has no types
    """Return a client of the S3 server."""
    import botocore.session
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        s3={"addressing_style": "path"},
    )
    return botocore.session.get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=config,
    )


def local_path(uri: str) -> Path:
    """Return the path at which KFP puts an artifact inside a pod: ``/s3/BUCKET/KEY``."""
    return Path("/s3") / uri.removeprefix("s3://")


def download(client: Any, uri: str, path: Path) -> None:  # noqa: ANN401
    """Download an artifact, which is a file or a folder.

    Raises:
        FileNotFoundError: S3 has no object under this URI.
    """
    bucket, key = _split(uri)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
    found = 0
    for name in [each["Key"] for page in pages for each in page.get("Contents", [])]:
        if name == key or name.startswith(f"{key}/"):
            target = path / name[len(key) + 1 :] if name != key else path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(client.get_object(Bucket=bucket, Key=name)["Body"].read())
            found += 1
    if not found:
        raise FileNotFoundError(f"{uri} is not in S3")


def upload(client: Any, path: Path, uri: str) -> None:  # noqa: ANN401
    """Upload an artifact, a file or a folder; skip one that was not written, as KFP's launcher does."""
    bucket, key = _split(uri)
    if path.is_file():
        client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else []:
        client.put_object(Bucket=bucket, Key=f"{key}/{file.relative_to(path).as_posix()}", Body=file.read_bytes())


def _run(command: list[str]) -> int:
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    return code if code >= 0 else 128 - code


def _artifacts(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [artifact for each in part.get("artifacts", {}).values() for artifact in each["artifacts"]]


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


if __name__ == "__main__":
    sys.exit(main())

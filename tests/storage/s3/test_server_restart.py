"""Tests that transfers survive a server that is killed and started again."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.transfers import PART_BYTES, Transfers
from tests.seaweed import BUCKET, Seaweed
from tests.storage.s3.conftest import contents, write_files


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Seaweed]:
    (tmp_path / "server").mkdir()
    server = Seaweed(tmp_path / "server")
    server.start()
    try:
        connect(server.url).create_bucket(Bucket=BUCKET)
        yield server
    finally:
        server.kill()


class Restart:
    """A progress that kills the server in the middle of a stage and starts it again."""

    def __init__(self, server: Seaweed, stage: str) -> None:
        self.server, self.stage, self.url = server, f"{stage}, MiB", server.url
        self.thread: threading.Thread | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self.thread is None and stage == self.stage and done > total / 3:
            self.server.kill()
            self.thread = threading.Thread(target=self.server.start)
            self.thread.start()

    def check(self) -> None:
        assert self.thread is not None
        self.thread.join()
        assert self.server.url == self.url


def test_a_restarted_server_costs_no_file(server: Seaweed, tmp_path: Path) -> None:
    sizes = {f"{number}.wav": 100_000 + number for number in range(40)}
    folder = write_files(tmp_path / "source", sizes={**sizes, "film.avi": 4 * PART_BYTES})
    address = S3Address(BUCKET, "films")
    upload = Restart(server, "publish")
    with Transfers(connect(server.url)) as transfers:
        publish(folder, address, transfers, progress=upload)
    upload.check()
    download = Restart(server, "fetch")
    with Transfers(connect(server.url)) as transfers:
        fetch(address, tmp_path / "copy", transfers, progress=download)
    download.check()
    assert contents(tmp_path / "copy") == contents(folder)

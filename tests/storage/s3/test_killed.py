"""Tests that a killed process leaves nothing wrong, and that the same command continues its work."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.inventory import INVENTORY
from merflow.storage.s3.published import read_published
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.transfers import PART_BYTES, Transfers
from tests.storage.s3.conftest import contents, keys, unfinished, write_files
from tests.storage.s3.faulty_proxy import Fault, FaultyProxy

_PATIENCE_S = 120.0


class Barrier:
    """A plan that lets requests pass until one of them contains a word, and then none until it is opened."""

    def __init__(self, method: str, word: str) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self._method, self._word = method, word

    def __call__(self, method: str, path: str) -> Fault | None:
        if self.opened.is_set() or method != self._method or self._word not in path:
            return None
        self.reached.set()
        self.opened.wait()
        return Fault.DROPPED


@contextmanager
def killed_at(barrier: Barrier, seaweed: str, *words: object) -> Iterator[None]:
    """Run a command until a request reaches the barrier, kill it, and drop that request after the block."""
    with FaultyProxy(seaweed, barrier) as proxy:
        command = [sys.executable, "-m", "merflow", "data", *map(str, words), "--endpoint", proxy.url]
        process = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.PIPE)
        try:
            assert barrier.reached.wait(_PATIENCE_S), process.poll()
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL
            yield
        finally:
            process.kill()
            barrier.opened.set()


def test_a_killed_upload_shows_nothing_and_leaves_nothing(
    seaweed: str, client: S3Client, folder: Path, address: S3Address, transfers: Transfers, tmp_path: Path
) -> None:
    with killed_at(Barrier("PUT", "partNumber=3"), seaweed, "publish", folder, address):
        assert INVENTORY not in keys(client, address)
        assert read_published(client, address, Retries()) is None
        assert len(unfinished(client, address)) == 1
    publication = publish(folder, address, transfers)
    assert publication.first
    assert unfinished(client, address) == []
    fetch(address, tmp_path / "copy", transfers)
    assert contents(tmp_path / "copy") == contents(folder)


def test_an_upload_that_is_killed_before_its_last_step_is_not_visible(
    seaweed: str, client: S3Client, folder: Path, address: S3Address, transfers: Transfers
) -> None:
    with killed_at(Barrier("PUT", INVENTORY), seaweed, "publish", folder, address):
        assert len(keys(client, address)) == 4
        assert read_published(client, address, Retries()) is None
    again = publish(folder, address, transfers)
    assert (again.first, again.uploaded) == (True, 0)


def test_unfinished_uploads_of_others_are_left_alone(
    client: S3Client, folder: Path, address: S3Address, transfers: Transfers
) -> None:
    key = f"{address.key}/files/{'0' * 64}"  # of a folder that another process publishes right now
    started = client.create_multipart_upload(Bucket=address.bucket, Key=key)["UploadId"]
    publish(folder, address, transfers)
    assert unfinished(client, address) == [started]


def test_a_killed_download_leaves_whole_files_only_and_continues(
    seaweed: str, folder: Path, address: S3Address, transfers: Transfers, tmp_path: Path
) -> None:
    write_files(folder, sizes={f"more/{number}.wav": 2000 + number for number in range(40)})
    write_files(folder, sizes={"more/film.avi": PART_BYTES * 4})
    published = publish(folder, address, transfers).folder
    copy = tmp_path / "copy"
    last = published.file("more/39.wav").sha256
    with killed_at(Barrier("GET", last), seaweed, "fetch", address, copy):
        found = {path: content for path, content in contents(copy).items() if not path.endswith(".part")}
        assert found.items() < contents(folder).items()
    fetched = fetch(address, copy, transfers)
    assert fetched.files - fetched.downloaded == len(found)
    visible = {path: content for path, content in contents(copy).items() if not path.endswith(".part")}
    assert visible == contents(folder)


def test_the_command_says_what_it_has_done(client: S3Client, folder: Path, address: S3Address, tmp_path: Path) -> None:
    assert keys(client, address) == []
    command = [sys.executable, "-m", "merflow", "data", "publish", str(folder), str(address), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["uploaded"] == 4
    assert "merflow | publish, MiB: 17/17 (" in done.stderr
    command = [sys.executable, "-m", "merflow", "data", "fetch", str(address), str(tmp_path / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"5 file(s), 16.9 MB in {tmp_path / 'copy'}; 5 downloaded (16.9 MB)\n"
    assert contents(tmp_path / "copy") == contents(folder)

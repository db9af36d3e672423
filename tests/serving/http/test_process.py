"""``merflow serve`` as a process: its start, its end under load, and its errors."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
import pytest

from tests.cli.command import refused
from tests.serving.http.hostile_media import encoded, tone
from tests.serving.http.running import BOUNDARY, form

BODY = form(("file", "a.wav", encoded(tone(0.5))))
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@contextmanager
def served(ensemble: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command; yield the process and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "merflow", "serve", str(ensemble), "--port", "0", "--device", "cpu", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)$", line.strip()):
                yield process, int(found[1])
                break
        else:
            raise AssertionError("the server did not start")
    finally:
        process.kill()
        process.wait()


def ask(port: int, **headers: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/predict", BODY, {**HEADERS, **headers})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_sigterm_under_load_answers_what_was_accepted_and_ends_with_0(ensemble: Path) -> None:
    statuses: list[int | str] = []
    stop = threading.Event()

    def client(port: int) -> None:
        while not stop.is_set():
            try:
                statuses.append(ask(port))
            except (ConnectionRefusedError, ConnectionResetError):
                stop.wait(0.01)  # the server listens no more: nothing was accepted
            except (HTTPException, OSError) as error:
                statuses.append(repr(error))

    with served(ensemble, "--workers", "2") as (process, port):
        clients = [threading.Thread(target=client, args=(port,)) for _ in range(8)]
        for each in clients:
            each.start()
        while statuses.count(200) < 30:
            assert stop.wait(0.05) is False
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        stop.set()
        for each in clients:
            each.join(60)
        assert process.stderr is not None
        assert "all accepted requests are answered" in process.stderr.read()
    assert set(statuses) <= {200, 503}, "an accepted request got no answer"


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_no_worker_outlives_a_killed_server(ensemble: Path) -> None:
    with served(ensemble, "--workers", "2") as (process, _):
        others = psutil.Process(process.pid).children()
        assert others
        process.kill()
        process.wait()
        deadline_s = time.monotonic() + 60
        while any(map(is_alive, others)):
            assert time.monotonic() < deadline_s, "a worker is still there"
            time.sleep(0.1)


def test_the_key_comes_from_the_environment_or_a_file(ensemble: Path, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("another-key\n")
    with served(ensemble, MERFLOW_API_KEY="key-of-the-environment") as (process, port):
        assert ask(port) == 401
        assert ask(port, **{"X-API-Key": "key-of-the-environment"}) == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    for key in ("short", "with a space in it"):
        file.write_text(key)
        assert "the API key in" in refused("serve", ensemble, "--api-key-file", file)


def test_what_cannot_be_served_is_reported(tmp_path: Path) -> None:
    assert "no such folder" in refused("serve", tmp_path / "nothing")
    assert "contains no model" in refused("serve", tmp_path)
    assert "Invalid value for '--port'" in refused("serve", tmp_path, "--port", "70000")


def test_a_taken_port_is_reported(ensemble: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("serve", ensemble, "--port", taken.getsockname()[1], "--device", "cpu")
    assert "cannot listen on 127.0.0.1" in said


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

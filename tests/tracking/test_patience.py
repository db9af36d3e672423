"""Requests through a proxy that answers late, or that names an object store which this client cannot reach."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from merflow.errors import TrackingError
from merflow.tracking.connection import Connection
from tests.tracking.server import Server

LATE_S = 3.0
# The answer of a server whose object store has an address that this client cannot reach.
UNREACHABLE_PARTS = {
    "upload_id": "1",
    "credentials": [{"url": "http://127.0.0.1:9/bucket/model.bin?partNumber=1", "part_number": 1, "headers": {}}],
}

UNREACHABLE_FILE = {"url": "http://127.0.0.1:9/bucket/note.txt", "headers": {}, "file_size": 6}


class LateProxy(ThreadingHTTPServer):
    """A proxy that passes requests on.

    Attributes:
        late_path: Requests to this path are answered only after :data:`LATE_S`.
        late: Number of those.
        parts: True to answer the next upload in parts with :data:`UNREACHABLE_PARTS`.
        downloads: True to offer downloads past the server, all from :data:`UNREACHABLE_FILE`.
    """

    daemon_threads = True

    def __init__(self, target_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target_port = target_port
        self.late_path = ""
        self.late = 0
        self.parts = False
        self.downloads = False

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: LateProxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.parts and "/mpu/create/" in self.path:
            self.server.parts = False
            self._answer(200, "application/json", json.dumps(UNREACHABLE_PARTS).encode())
            return
        if self.server.downloads and "/mlflow-artifacts/presigned" in self.path:
            self._answer(200, "application/json", json.dumps(UNREACHABLE_FILE).encode())
            return
        there = http.client.HTTPConnection("127.0.0.1", self.server.target_port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        there.request(self.command, self.path, body=body, headers=headers)
        answer = there.getresponse()
        content = answer.read()
        if self.server.late_path and self.server.late_path in self.path:
            self.server.late += 1
            time.sleep(LATE_S)
        there.close()
        if self.server.downloads and self.path.endswith("/server-info"):
            content = json.dumps({**json.loads(content), "multipart_downloads_enabled": True}).encode()
        self._answer(answer.status, answer.headers.get("Content-Type", "application/json"), content)

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - names that http.server looks up

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    started.start()
    yield started
    started.kill()


@pytest.fixture
def proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[LateProxy]:
    """Start a proxy, for clients that wait one second for an answer and do not try again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    late = LateProxy(server.port)
    threading.Thread(target=late.serve_forever, daemon=True).start()
    yield late
    late.shutdown()
    late.server_close()


def new_run(uri: str, name: str) -> str:
    client = MlflowClient(uri)
    return str(client.create_run(client.create_experiment(name)).info.run_id)


def test_an_upload_waits_for_a_late_answer(server: Server, proxy: LateProxy, tmp_path: Path) -> None:
    run_id = new_run(server.uri, "uploads")
    model = tmp_path / "model.bin"
    model.write_bytes(b"weights" * 1000)
    proxy.late_path = "/mlflow-artifacts/"
    connection = Connection(proxy.uri)
    connection.call("log_artifact", run_id, str(model))
    connection.call("log_text", run_id, "a note", "note.txt")
    assert proxy.late == 2
    assert {each.path for each in MlflowClient(server.uri).list_artifacts(run_id)} == {"model.bin", "note.txt"}


def test_other_requests_give_up_soon_even_after_an_upload(server: Server, proxy: LateProxy) -> None:
    run_id = new_run(server.uri, "requests")
    connection = Connection(proxy.uri)
    connection.call("log_text", run_id, "a note", "note.txt")
    proxy.late_path = "/runs/set-tag"
    with pytest.raises(TrackingError, match="failed to set tag"):
        connection.call("set_tag", run_id, "key", "value")
    assert proxy.late == 1


def test_a_large_file_goes_through_the_server_where_its_store_is_out_of_reach(
    server: Server, proxy: LateProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    run_id = new_run(server.uri, "parts")
    model = tmp_path / "model.bin"
    model.write_bytes(b"weights" * 1000)
    proxy.parts = True
    Connection(proxy.uri).call("log_artifact", run_id, str(model))
    assert not proxy.parts
    (stored,) = MlflowClient(server.uri).list_artifacts(run_id)
    assert (stored.path, stored.file_size) == ("model.bin", 7000)


def test_a_download_goes_through_the_server_whose_store_may_be_out_of_reach(
    server: Server, proxy: LateProxy, tmp_path: Path
) -> None:
    run_id = new_run(server.uri, "downloads")
    proxy.downloads = True
    connection = Connection(proxy.uri)
    connection.call("log_text", run_id, "a note", "note.txt")
    assert Path(connection.call("download_artifacts", run_id, "note.txt", str(tmp_path))).read_text() == "a note"

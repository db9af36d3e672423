"""A real server in a thread of the tests, and raw connections to it."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any, NamedTuple

from merflow.serving.http.app import build_app
from merflow.serving.http.model_copies import ModelCopy
from merflow.serving.http.server import Server, listen
from merflow.serving.http.service import Service
from merflow.serving.http.settings import ServeSettings
from merflow.serving.predictor import Predictor

BOUNDARY = "aBoundaryThatNothingContains"


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, eq=False)
class Running:
    """A server that runs."""

    port: int
    service: Service
    server: Server

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def send(
        self, method: str, path: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            return _read(connection.getresponse())
        finally:
            connection.close()

    def post_json(self, path: str, value: object, **headers: str) -> Reply:
        """Send JSON."""
        return self.send("POST", path, json.dumps(value), {"Content-Type": "application/json", **headers})

    def upload(self, path: str, *parts: tuple[str, str | None, bytes]) -> Reply:
        """Send a form of fields, ``(name, filename, content)`` each."""
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.send("POST", path, form(*parts), kind)

    def raw(self, content: bytes, *, then_close: bool = False, timeout_s: float = 60) -> bytes:
        """Send bytes and return whatever comes back until the server closes; nothing if the client closes first."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(content)
            if then_close:
                return b""
            received = b""
            try:
                while part := connection.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
            return received


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """Return a multipart body."""
    lines = b""
    for name, filename, content in parts:
        named = "" if filename is None else f'; filename="{filename}"'
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        lines += head.encode() + content + b"\r\n"
    return lines + f"--{BOUNDARY}--\r\n".encode()


def _read(response: HTTPResponse) -> Reply:
    return Reply(response.status, dict(response.getheaders()), response.read())


@contextmanager
def running(
    predictor: Predictor,
    settings: ServeSettings | None = None,
    *,
    name: str = "tiny",
    drain_s: float = 0.0,
    copies: Sequence[ModelCopy] = (),
) -> Iterator[Running]:
    """Run a server until the block ends."""
    service = Service.start(predictor, settings or ServeSettings(), name=name, copies=copies)
    started = threading.Event()
    server = Server(build_app(service, version="0"), service.state, drain_s=drain_s, ready=started.set)
    opened = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    try:
        assert started.wait(30)
        yield Running(int(opened.getsockname()[1]), service, server)
    finally:
        server.drain()
        thread.join(60)
        assert not thread.is_alive(), "the server did not end"

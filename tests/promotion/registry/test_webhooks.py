"""MLflow's webhooks as docs/registry.md describes them: a real server, and a receiver that checks what arrives."""

import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from merflow.promotion.registry.promote import promote_version
from merflow.promotion.registry.registry import Registry
from merflow.tracking.connection import Connection
from tests.promotion.registry.versions import YES, logged_model, register
from tests.tracking.server import Server

PAGE = Path(__file__).parents[3] / "docs/registry.md"
SECRET = "a secret that the receiver knows"
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    headers: Message
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The body without its time."""
        return {key: value for key, value in json.loads(self.body).items() if key != "timestamp"}


@dataclass
class Receiver:
    """An HTTP server that records requests, and answers the first few with 503."""

    busy: int = 0
    requests: list[Request] = field(default_factory=list)

    def take(self, request: Request) -> int:
        """Keep the request; return the status of the answer."""
        self.requests.append(request)
        return 503 if len(self.requests) <= self.busy else 200

    def wait_for(self, alias: str, version: int) -> Request:
        """Return the first request that tells of this alias at this version."""
        data = {"name": "merflow", "alias": alias, "version": str(version)}
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for request in list(self.requests):
                if request.event == {"entity": "model_version_alias", "action": "created", "data": data}:
                    return request
            time.sleep(0.05)
        raise AssertionError(f"no {alias} at {version} among {[request.event for request in self.requests]}")


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    """Return a receiver and its address."""
    kept = Receiver(busy=1)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(kept.take(Request(self.headers, body)))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing to the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kept, f"http://127.0.0.1:{server.server_port}/mlflow"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Return a server with the settings that the page names for one machine."""
    running = Server(
        tmp_path,
        variables={
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
            "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        },
    )
    running.start()
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="module")
def sent_by_mlflow() -> Callable[..., bool]:
    """Return the function of the page."""
    (block,) = [
        found
        for found in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
        if "def sent_by_mlflow" in found
    ]
    defined: dict[str, Any] = {}
    exec(re.sub(r"^   ", "", block, flags=re.MULTILINE), defined)
    function: Callable[..., bool] = defined["sent_by_mlflow"]
    return function


def test_a_receiver_hears_of_every_champion_and_can_check_who_says_so(
    server: Server, receiver: tuple[Receiver, str], sent_by_mlflow: Callable[..., bool], tmp_path: Path
) -> None:
    kept, address = receiver
    events = ["model_version_alias.created", "model_version_alias.deleted"]
    MlflowClient(server.uri).create_webhook(name="deploy-champion", url=address, events=events, secret=SECRET)
    registry = Registry(Connection(server.uri), who="anna")
    model = logged_model(server.uri, tmp_path / "model")
    for _ in range(2):
        register(registry, model)

    promote_version(registry, "1", decide=YES)
    first = kept.wait_for("champion", 1)
    server.kill()
    server.start()  # it can still read the secret
    promote_version(registry, "2", decide=YES)
    second = kept.wait_for("champion", 2)
    kept.wait_for("previous", 1)

    assert len(kept.requests) > 4
    assert all(sent_by_mlflow(request.headers, request.body, secret=SECRET) for request in kept.requests)
    assert not sent_by_mlflow(first.headers, first.body, secret="another")
    assert not sent_by_mlflow(first.headers, first.body.replace(b'"1"', b'"2"'), secret=SECRET)
    assert not sent_by_mlflow(second.headers, first.body, secret=SECRET)
    later = dict(first.headers.items()) | {"X-MLflow-Timestamp": "1"}
    assert not sent_by_mlflow(later, first.body, secret=SECRET)
    assert abs(int(second.headers["X-MLflow-Timestamp"]) - time.time()) < PATIENCE_S
    removed = {"name": "merflow", "alias": "candidate"}
    assert {"entity": "model_version_alias", "action": "deleted", "data": removed} in [r.event for r in kept.requests]
    repeated = [request for request in kept.requests if request.body == kept.requests[0].body]
    assert len(repeated) == 2, "the answer to the first was 503"
    assert len({request.headers["X-MLflow-Delivery-Id"] for request in repeated}) == 1

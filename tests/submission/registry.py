"""A registry of images over HTTP, as far as reading labels needs one: manifests, blobs and tokens."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER = base64.b64encode(b"robot:pass").decode()
_TOKEN = "given-by-the-registry"


class Images:
    """Images by reference, and whether a login is needed."""

    def __init__(self) -> None:
        self.host = ""
        self.content: dict[str, bytes] = {}
        self.login = False

    def put(self, labels: dict[str, str], *, platforms: tuple[str, ...] = ()) -> str:
        """Store an image with these labels, for several platforms if they are named; return its digest."""
        config = self._store({"config": {"Labels": labels}})
        manifest = self._store({"schemaVersion": 2, "config": {"digest": config}})
        if not platforms:
            return manifest
        entries = [
            {"digest": manifest, "platform": {"os": "linux", "architecture": architecture}}
            for architecture in platforms
        ]
        return self._store({"schemaVersion": 2, "manifests": entries})

    def _store(self, content: Any) -> str:  # noqa: ANN401 - any JSON value
        text = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        self.content[digest] = text
        return digest


@contextmanager
def running() -> Iterator[Images]:
    """Run a registry on this machine."""
    images = Images()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            """Print nothing."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = self.headers.get("Authorization", "")
            if parts.path == "/token":
                asked = parse_qs(parts.query)
                allowed = asked["scope"] == ["repository:merflow/python:pull"] and given == f"Basic {USER}"
                self._send(200 if allowed else 401, json.dumps({"token": _TOKEN}).encode())
                return
            if images.login and given != f"Bearer {_TOKEN}":
                challenge = f'Bearer realm="http://{images.host}/token",service="registry"'
                self._send(401, b"{}", **{"WWW-Authenticate": challenge})
                return
            content = images.content.get(parts.path.rpartition("/")[2])
            self._send(200 if content else 404, content or b"{}")

        def _send(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02})
    thread.start()
    images.host = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield images
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

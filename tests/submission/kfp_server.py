"""A KFP server over HTTP on this machine."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.submission.kfp_state import Fault, KfpServer, RefusedError

__all__ = ["Fault", "KfpServer", "running"]

_LOG = re.compile(r"/apis/v1alpha1/runs/(?P<run_id>[^/]+)/nodes/(?P<node_id>[^/]+)/log")


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:  # noqa: ANN401
        """Print nothing about connections that were closed on purpose."""


@contextmanager
def running() -> Iterator[KfpServer]:
    """Run a server; every breach of the description fails the test that caused it."""
    state = KfpServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            """Print nothing."""

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = f"{self.command} {parts.path}"
            state.requests.append(request)
            fault = state.fault(request)
            if fault:
                time.sleep(fault.delay_s)
            if fault and not fault.after and fault.status != 200:
                self._fail(fault)
                return
            status, answer = self._carried_out(parts.path, dict(parse_qsl(parts.query)), body)
            if fault and fault.after:
                self._fail(fault)
            elif fault and fault.body is not None:
                self._send(200, fault.body, **fault.headers)
            else:
                self._send(status, answer if isinstance(answer, str) else json.dumps(answer))

        do_GET = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 - names of http.server

        def _carried_out(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
            given = self.headers.get("authorization", "")
            if state.tokens is not None and given.removeprefix("Bearer ") not in state.tokens:
                return 401, {"code": 16, "message": "Request header error: there is no user identity", "details": []}
            if log := _LOG.fullmatch(path):
                return 200, state.log(log["run_id"], unquote(log["node_id"]))
            try:
                return 200, state.answer(self.command, path, query, body, self.headers.get("Content-Type", ""))
            except RefusedError as refused:
                return refused.status, {"code": 5, "message": str(refused), "details": []}

        def _fail(self, fault: Fault) -> None:
            if fault.status == 0:
                self.close_connection = True
                self.connection.close()
                return
            self._send(fault.status, fault.body or json.dumps({"code": 14, "message": "upstream"}), **fault.headers)

        def _send(self, status: int, text: str, **headers: str) -> None:
            content = text.encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert state.violations == []

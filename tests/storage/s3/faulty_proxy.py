"""An HTTP proxy between client and S3 server that damages what it carries."""

import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from enum import Enum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_PIECE = 16 << 10


class Fault(Enum):
    """A fault, by what happens to one request."""

    ERROR_500 = "an internal error instead of the answer"
    SLOW_DOWN = "a request for fewer requests instead of the answer"
    DROPPED = "no answer, and the server never sees the request"
    LOST_ANSWER = "no answer, though the server has done what was asked"
    CUT = "half of the answer's body"
    FLIPPED_ANSWER = "one wrong byte in the content of an object that is read"
    FLIPPED_REQUEST = "one wrong byte in the content of an object that is written"
    STALLED = "half of the answer's body, and silence"
    SLOW = "the answer's body in small pieces with waits between them"


# Method and path of a request -> the fault that happens to it.
Plan = Callable[[str, str], Fault | None]


def at_random(share: float) -> Plan:
    """Return a plan by which this share of all requests fail, with faults of every kind that fits them in turn."""
    chance = random.Random(0)
    counts: Counter[Fault] = Counter()

    def plan(method: str, path: str) -> Fault | None:
        if chance.random() >= share:
            return None
        rarest = min(fitting(method, path), key=lambda fault: counts[fault])
        counts[rarest] += 1
        return rarest

    return plan


def first_times(count: int, fault: Fault) -> Plan:
    """Return a plan by which the first requests for each object fail, those for its parts together."""
    seen: Counter[tuple[str, str]] = Counter()

    def plan(method: str, path: str) -> Fault | None:
        seen[method, path.partition("?")[0]] += 1
        return fault if seen[method, path.partition("?")[0]] <= count else None

    return plan


def fitting(method: str, path: str) -> list[Fault]:
    """Return the faults that can happen to a request."""
    is_content = "/files/" in path or path.endswith((".json", ".parquet", ".safetensors"))
    unfit = set() if method == "GET" else {Fault.CUT, Fault.STALLED, Fault.SLOW}
    unfit |= set() if method == "GET" and is_content else {Fault.FLIPPED_ANSWER}
    unfit |= set() if method == "PUT" and is_content else {Fault.FLIPPED_REQUEST}
    return [fault for fault in Fault if fault not in unfit]


class FaultyProxy:
    """A proxy in threads of this process; a context manager.

    Attributes:
        plan: The faults to come; it may be replaced at any time.
        happened: The faults that have happened; a fault that does not fit its request does not happen.
    """

    def __init__(self, server: str, plan: Plan, *, stall_s: float = 3.0) -> None:
        self.plan = plan
        self.happened: Counter[Fault] = Counter()
        self.stall_s = stall_s
        self.target = urlsplit(server).netloc
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def choose(self, method: str, path: str) -> Fault | None:
        """Return the fault for a request if the plan has one that fits."""
        with self.lock:
            fault = self.plan(method, path)
            if fault is None or fault not in fitting(method, path):
                return None
            self.happened[fault] += 1
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, _request: object, _client: object) -> None:
        """Say nothing: clients hang up on purpose."""


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def _answer(self) -> None:
            body = self._body()
            fault = proxy.choose(self.command, self.path)
            if fault is Fault.DROPPED:
                self._hang_up()
            elif fault is Fault.ERROR_500:
                self._refuse(500, "InternalError")
            elif fault is Fault.SLOW_DOWN:
                self._refuse(503, "SlowDown")
            else:
                self._forward(_flipped(body) if fault is Fault.FLIPPED_REQUEST else body, fault)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - http.server's names

        def _body(self) -> bytes:
            assert "chunked" not in self.headers.get("Transfer-Encoding", "")
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _forward(self, body: bytes, fault: Fault | None) -> None:
            connection = HTTPConnection(proxy.target, timeout=60)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                connection.request(self.command, self.path, body=body or None, headers=headers)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, HTTPException):  # the server is down
                self._hang_up()
                return
            finally:
                connection.close()
            if fault is Fault.LOST_ANSWER:
                self._hang_up()
                return
            length = answer.headers.get("Content-Length") or str(len(content))
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            self._send(content, fault)

        def _send(self, content: bytes, fault: Fault | None) -> None:
            if fault is Fault.FLIPPED_ANSWER:
                self.wfile.write(_flipped(content))
            elif fault is Fault.SLOW:
                for start in range(0, len(content), _PIECE * 8):
                    self.wfile.write(content[start : start + _PIECE * 8])
                    threading.Event().wait(0.01)
            elif fault in (Fault.CUT, Fault.STALLED):
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                threading.Event().wait(proxy.stall_s if fault is Fault.STALLED else 0)
                self._hang_up()
            else:
                self.wfile.write(content)

        def _refuse(self, status: int, code: str) -> None:
            content = f"<Error><Code>{code}</Code><Message>a fault on purpose</Message></Error>".encode()
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if self.command != "HEAD" else b"")

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    return Handler


def _flipped(content: bytes) -> bytes:
    """Return the content with one other byte in the middle."""
    if not content:
        return content
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

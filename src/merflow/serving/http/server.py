"""The server process: uvicorn with a clean shutdown on SIGTERM and a time limit for request headers."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from merflow.errors import ServingError
from merflow.serving.http.state import ServerState

HEAD_S = 10.0
_KEEP_ALIVE_S = 5
_BACKLOG = 512


class _Impatient(H11Protocol):
    """Closes a connection whose request headers are not complete :data:`HEAD_S` after the first byte."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_S, self._give_up)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """A server that drains: on SIGTERM or Ctrl-C, it refuses new requests, answers the accepted ones, and exits."""

    def __init__(
        self, app: FastAPI, state: ServerState, *, drain_s: float = 0.0, ready: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare the server.

        Args:
            app: The application.
            state: Updated when the server drains.
            drain_s: Seconds for which it still listens after the signal, with readiness 503, so that load balancers
                notice before connections are refused.
            ready: Called once it listens.
        """
        config = uvicorn.Config(
            app,
            http=_Impatient,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        super().__init__(config)
        self._state, self._drain_s, self._ready = state, drain_s, ready
        self._ends_at: float | None = None

    def drain(self) -> None:
        """Refuse new requests from now on, and exit once the accepted ones are answered."""
        self._ends_at = monotonic() + self._drain_s
        self._state.draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn passes them
        """Drain; at a second signal, stop waiting."""
        if self._state.draining:
            self.should_exit = self.force_exit = True
        else:
            self.drain()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle SIGTERM and Ctrl-C, if this is the main thread."""
        own = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if own else ()
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and report that the server is ready."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Return True if it is time to end."""
        drained = self._ends_at is not None and monotonic() >= self._ends_at
        return await super().on_tick(counter) or drained


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: Address or name of this machine.
        port: Port; 0 for any that is free.

    Raises:
        ServingError: The address does not belong to this machine, or the port is in use.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        opened = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise ServingError(f"cannot listen on {host}:{port}: {error}; choose another --port or --host") from error
    opened.set_inheritable(False)
    return opened

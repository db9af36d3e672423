"""The state of a running server that probes, guard and signal handler share."""

from dataclasses import dataclass


@dataclass
class ServerState:
    """Requests in progress, and the shutdown of the server.

    Attributes:
        draining: True once the server accepts no more prediction requests.
        open_requests: Number of prediction requests being read, decoded or answered.
    """

    draining: bool = False
    open_requests: int = 0

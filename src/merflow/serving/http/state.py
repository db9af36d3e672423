"""The state of a running server that probes, guard and signal handler share."""

from dataclasses import dataclass


@dataclass
class ServerState:
    """Requests in progress, and the end of the server.

    Attributes:
        draining: True once the server accepts no more requests to predict.
        open_requests: Requests to predict that are read, decoded or answered.
    """

    draining: bool = False
    open_requests: int = 0

"""Refused requests: the HTTP status, a word for the metrics, and a sentence for the client."""

from typing import Literal

from merflow.errors import MerflowError

Reason = Literal[
    "unauthorized",
    "not-found",
    "slow",
    "dropped",
    "too-large",
    "too-long",
    "not-media",
    "malformed",
    "unreadable",
    "queue-full",
    "draining",
    "timeout",
    "failed",
]

STATUS: dict[Reason, int] = {
    "unauthorized": 401,
    "not-found": 404,
    "slow": 408,
    "dropped": 400,
    "too-large": 413,
    "too-long": 413,
    "not-media": 415,
    "malformed": 422,
    "unreadable": 422,
    "queue-full": 429,
    "draining": 503,
    "timeout": 503,
    "failed": 500,
}
_RETRY_AFTER_S = {"queue-full": 1, "draining": 5, "timeout": 5}


class RefusedRequestError(MerflowError):
    """A request that the server refuses to answer."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.reason]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response: when to try again, how to sign in, and whether the connection ends."""
        headers = {}
        if self.reason in _RETRY_AFTER_S:
            headers["Retry-After"] = str(_RETRY_AFTER_S[self.reason])
        if self.reason == "unauthorized":
            headers["WWW-Authenticate"] = "Bearer"
        if self.reason in ("slow", "too-large"):
            headers["Connection"] = "close"
        return headers

"""The outermost middleware: API key, request limit, security headers, metrics and log.

It is plain ASGI, so that it passes bodies on without reading them.
"""

import hmac
import logging
from time import monotonic

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from merflow.serving.http.metrics import Metrics
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import ServeSettings
from merflow.serving.http.state import ServerState

_LOG = logging.getLogger("merflow.serve")

# Allowed without a key: probes, the page's files and the API description, which reveal nothing about model or users.
_OPEN = ("/", "/docs", "/openapi.json", "/favicon.ico")
_OPEN_FOLDERS = ("/v2/health/", "/page/")
_LONGEST_KEY = 1024

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SECURITY = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class Guard:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, settings: ServeSettings, state: ServerState, metrics: Metrics) -> None:
        self._app, self._settings, self._state, self._metrics = app, settings, state, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it before its body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = monotonic(), 500

        async def outward(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_SECURITY]
            await send(message)

        predicts = scope["method"] == "POST"
        try:
            refusal = self._refusal(scope, predicts=predicts)
            if refusal is not None:
                self._metrics.count_refusal(refusal.reason)
                await refused_response(refusal)(scope, receive, outward)
                return
            self._state.open_requests += predicts
            self._metrics.open_requests.set(self._state.open_requests)
            try:
                await self._app(scope, receive, outward)
            finally:
                self._state.open_requests -= predicts
                self._metrics.open_requests.set(self._state.open_requests)
        finally:
            seconds = monotonic() - started
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.request_seconds.labels(route, str(status)).observe(seconds)
            _LOG.info("%s %s %d %.0f ms", scope["method"], route, status, 1000 * seconds)

    def _refusal(self, scope: Scope, *, predicts: bool) -> RefusedRequestError | None:
        """Return the reason to refuse a request before reading it; None if there is none."""
        if not self._is_allowed(scope):
            return RefusedRequestError(
                "unauthorized", "an API key is needed: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
            )
        if not predicts:
            return None
        if self._state.draining:
            return RefusedRequestError("draining", "the server is shutting down; send the request to another one")
        if self._state.open_requests >= self._settings.limits.concurrency:
            return RefusedRequestError(
                "queue-full",
                f"{self._state.open_requests} requests are open, which is the limit; try again in a second",
            )
        return None

    def _is_allowed(self, scope: Scope) -> bool:
        """Return True if the request needs no key or has the right one; keys are compared in constant time."""
        if self._settings.api_key is None or scope["path"] in _OPEN or scope["path"].startswith(_OPEN_FOLDERS):
            return True
        headers = dict(scope["headers"])
        given = headers.get(b"x-api-key", b"")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if not given and scheme.lower() == b"bearer":
            given = token.strip()
        return hmac.compare_digest(given[:_LONGEST_KEY], self._settings.api_key.encode())


def refused_response(error: RefusedRequestError) -> JSONResponse:
    """Return the response to a refused request."""
    return JSONResponse({"error": str(error), "reason": error.reason}, status_code=error.status, headers=error.headers)

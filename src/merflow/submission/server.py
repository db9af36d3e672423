"""One KFP server: its client, retries after temporary failures, and errors that say what to do."""

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from merflow.errors import PipelineError, SubmissionError
from merflow.submission.profiles import ClusterProfile
from merflow.submission.tokens import Token
from merflow.submission.transport import Transport, reason_of

Answer = TypeVar("Answer")

_TOO_MANY, _GATEWAY = 429, (502, 503, 504)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_LONGEST_RETRY_AFTER_S = 300.0


class LostAnswerError(SubmissionError):
    """The response to a request that must not be repeated was lost."""


class MissingError(SubmissionError):
    """KFP does not have the requested object."""


@dataclass(frozen=True)
class Health:
    """The facts that a KFP server reports about itself.

    Attributes:
        multi_user: True if every run has a namespace.
        version: Its version; empty if it does not say.
    """

    multi_user: bool
    version: str


class Server:
    """A KFP server.

    Attributes:
        profile: The cluster profile.
        patience_s: Seconds during which a temporarily failing request is retried.
        notice: Called with a sentence about each such failure.
    """

    def __init__(
        self,
        profile: ClusterProfile,
        *,
        patience_s: float = 20.0,
        notice: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.profile = profile
        self.patience_s = patience_s
        self.notice = notice
        self._pause = pause
        self._token = Token(profile)

    @cached_property
    def client(self) -> Any:  # noqa: ANN401 - kfp has no types
        """``kfp.Client`` with merflow's transport.

        Raises:
            PipelineError: KFP is not installed.
        """
        try:
            import kfp
        except ImportError as error:
            raise PipelineError(f"submitting needs KFP ({error}); pip install 'merflow[pipelines]'") from error
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = kfp.Client(
                host=self.profile.host,
                # Any value but KFP's default keeps the constructor from calling the server; see `namespace`.
                namespace=self.profile.namespace if self.profile.namespace not in (None, "kubeflow") else "-",
                credentials=self._token if self.profile.auth != "none" else None,
                ssl_ca_cert=self.profile.ca_file,
            )
        rest = client.runs.run_service_get_run.__self__.api_client.rest_client
        rest.pool_manager = Transport(rest.pool_manager, host=self.profile.host)
        return client

    @cached_property
    def health(self) -> Health:
        """Facts that the server reports about itself.

        Raises:
            SubmissionError: The server cannot be reached, or is not KFP.
        """
        api = self.client.healthzs.healthz_service_get_healthz.__self__.api_client

        def read() -> Any:  # noqa: ANN401 - parsed JSON
            answer = api.call_api(
                *("/apis/v2beta1/healthz", "GET"),
                header_params={"Accept": "application/json"},
                auth_settings=["Bearer"],
                _preload_content=False,
                _return_http_data_only=True,
            )
            try:
                return json.loads(answer.data)
            except ValueError as error:
                raise SubmissionError(
                    f"{self.profile.host} does not answer as KFP's API does; correct host in the cluster profile"
                ) from error

        told = self.call("ask for its health", read)
        return Health(multi_user=bool(told.get("multi_user")), version=str(told.get("tag_name") or ""))

    @cached_property
    def namespace(self) -> str | None:
        """Namespace for requests; None for a single-user server, which refuses one.

        Raises:
            SubmissionError: The server needs a namespace, and the profile has none.
        """
        if not self.health.multi_user:
            return None
        if self.profile.namespace is None:
            raise SubmissionError(
                f"KFP at {self.profile.host} serves several users and needs a namespace; pass --namespace NAME, or set "
                "namespace in the cluster profile"
            )
        return self.profile.namespace

    def call(self, what: str, request: Callable[[], Answer], *, repeatable: bool = True) -> Answer:
        """Send a request, and retry it if that is safe and may help.

        An expired token is renewed once.

        Args:
            what: Description of the request, to follow "cannot".
            request: Function that sends it.
            repeatable: False for a request that may take effect even if its answer is lost.

        Raises:
            MissingError: The server does not have the object.
            LostAnswerError: The request is not repeatable, and its answer was lost.
            SubmissionError: The server refuses the request or cannot be reached.
        """
        import kfp_server_api
        import urllib3

        began_s, pause_s, renewed = time.monotonic(), _FIRST_PAUSE_S, False
        while True:
            wait_s = None
            try:
                return request()
            except urllib3.exceptions.HTTPError as error:
                problem = f"no connection ({reason_of(error)})"
                sent = not isinstance(
                    error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
                )
            except kfp_server_api.ApiException as error:
                if error.status == 401 and not renewed and self._token.renew():
                    renewed = True
                    continue
                momentary = error.status in (_TOO_MANY, *_GATEWAY) or (repeatable and error.status >= 500)
                if not momentary:
                    raise self._refusal(what, error) from error
                problem, sent = f"status {error.status}{_told(error)}", error.status != _TOO_MANY
                wait_s = _retry_after_s(error)
            if sent and not repeatable:
                raise LostAnswerError(
                    f"cannot tell whether KFP at {self.profile.host} did {what}: {problem}; look before you repeat it: "
                    "merflow pipeline list"
                )
            wait_s = min(_LONGEST_RETRY_AFTER_S, wait_s if wait_s is not None else pause_s)
            if time.monotonic() + wait_s - began_s > self.patience_s:
                raise SubmissionError(
                    f"cannot {what} at {self.profile.host}: {problem}; check the address and the network, and try again"
                )
            self.notice(f"{problem}; trying again in {wait_s:.3g} s")
            self._pause(wait_s)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    def _refusal(self, what: str, error: Any) -> SubmissionError:  # noqa: ANN401 - kfp has no types
        said = f"cannot {what} at {self.profile.host}: "
        if error.status == 401:
            remedies = {
                "none": "KFP asks for a token; set token_command or token_file in the cluster profile",
                "token file": f"the token in {self.profile.token_file} is not accepted; get a new one",
                "token command": "the token of token_command is not accepted; check its audience and service account",
            }
            return SubmissionError(f"{said}not logged in (401){_told(error)}; {remedies[self.profile.auth]}")
        if error.status == 403:
            where = f" in namespace {self.profile.namespace}" if self.profile.namespace else ""
            return SubmissionError(
                f"{said}not allowed (403){_told(error)}; ask for the role kubeflow-pipelines-edit{where}"
            )
        if error.status == 404:
            return MissingError(f"{said}not found (404){_told(error)}; check the name and the namespace")
        return SubmissionError(f"{said}refused ({error.status}){_told(error)}; correct what it names")


def pages(fetch: Callable[[str], Any], *, items: str, limit: int | None = None) -> list[Any]:
    """Return the items of all pages of a list.

    Args:
        fetch: Function that returns the page for a token; an empty token means the first page.
        items: Name of the items in a page.
        limit: Number of items after which no further page is fetched; None for all.
    """
    found: list[Any] = []
    token = ""
    while True:
        page = fetch(token)
        found += getattr(page, items) or []
        token = page.next_page_token or ""
        if not token or (limit is not None and len(found) >= limit):
            return found[:limit]


def _told(error: Any) -> str:  # noqa: ANN401 - kfp has no types
    """Return a colon and the server's own message; empty if the server sent no readable message."""
    try:
        body = json.loads(error.body or "")
        message = str(body.get("message") or body.get("error_message") or body.get("error") or "")
    except (ValueError, AttributeError):
        return ""
    words = " ".join(message.split())
    return f": {words if len(words) <= 300 else words[:300] + ' ...'}" if words else ""


def _retry_after_s(error: Any) -> float | None:  # noqa: ANN401 - kfp has no types
    """Return the seconds that the server asks to wait; None if it asks for none or gives a date."""
    try:
        return max(0.0, float((error.headers or {}).get("Retry-After", "")))
    except ValueError:
        return None

"""The HTTP transport of KFP's client, with timeouts, without hidden retries, and with detection of login pages.

KFP's generated client waits forever for a response and lets urllib3 retry requests silently. It also follows the
redirect of a login service, and then mistakes the login page for an empty response.
"""

from typing import Any

import urllib3

from merflow.errors import SubmissionError

_CONNECT_S, _READ_S = 10.0, 60.0


class Transport:
    """A pool of connections with the one method that KFP's client calls."""

    def __init__(self, pool: Any, *, host: str) -> None:  # noqa: ANN401 - urllib3's pool or proxy
        self._pool = pool
        self._host = host

    def request(self, method: str, url: str, **settings: Any) -> Any:  # noqa: ANN401 - as urllib3's
        """Send one request.

        Raises:
            SubmissionError: The certificate is not accepted, or the answer is a web page.
            urllib3.exceptions.HTTPError: The connection fails.
        """
        settings |= {"timeout": urllib3.Timeout(connect=_CONNECT_S, read=_READ_S), "retries": False, "redirect": False}
        try:
            answer = self._pool.request(method, url, **settings)
        except urllib3.exceptions.SSLError as error:
            raise SubmissionError(
                f"cannot check the certificate of {self._host}: {error}; set ca_file in the cluster profile"
            ) from error
        except urllib3.exceptions.LocationParseError as error:
            raise SubmissionError(f"{self._host} is not a valid URL ({error}); correct host") from error
        kind = answer.headers.get("content-type", "")
        if 300 <= answer.status < 400:
            target = answer.headers.get("location", "nowhere").partition("?")[0]
            raise SubmissionError(f"{self._host} redirects to {target} instead of answering; {_LOGIN}")
        if answer.status < 300 and kind.startswith("text/html"):
            raise SubmissionError(f"{self._host} answers with a web page, not as KFP's API; {_LOGIN}")
        return answer


def reason_of(error: Exception) -> str:
    """Return the system's message for a failed connection, without urllib3's object names."""
    inner = error.args[-1] if error.args else ""
    if isinstance(inner, Exception):
        return str(inner) or type(inner).__name__
    words = str(error).rpartition("): ")[2] or type(error).__name__
    return words.removeprefix("Failed to establish a new connection: ")[:200]


_LOGIN = (
    "if that is a login page, set token_command or token_file in the cluster profile; otherwise correct host, which "
    "often ends in /pipeline"
)

"""Links to a run: its page in KFP's UI, its report there, and its runs in MLflow."""

from collections.abc import Iterator
from typing import Any

from merflow.submission.runs import SUCCEEDED, Run, url_of
from merflow.submission.server import Server


def links_of(server: Server, run: Run) -> Iterator[tuple[str, str]]:
    """Yield the name and the URL of every link; unknown URLs are left out.

    If KFP's MLflow plugin is installed, it provides the URL of the run in MLflow.
    """
    yield "Run", url_of(server, run.id)
    if run.state == SUCCEEDED:
        yield "Report", f"{url_of(server, run.id)} (step evaluate, output report)"
    told = list(_urls_of_plugins(run.raw.plugins_output))
    for url in told:
        yield "MLflow", url
    if not told and server.profile.mlflow:
        name = run.parameters.get("name")
        yield "MLflow", f"{server.profile.mlflow}" + (f" (run {name})" if name else "")


def _urls_of_plugins(outputs: dict[str, Any] | None) -> Iterator[str]:
    for output in (outputs or {}).values():
        for key, entry in (output.entries or {}).items():
            value = getattr(entry, "value", None)
            if "url" in key.lower() and isinstance(value, str) and value.startswith("http"):
                yield value

"""The traffic log of a server, and the reference for its drift gauges."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merflow.contracts.progress import say
from merflow.contracts.traffic_log import TrafficLog
from merflow.errors import MerflowError
from merflow.monitoring.reference import reference_of_package
from merflow.opening.monitored_model import monitored_model
from merflow.serving.http.traffic import RecentDrift, Traffic
from merflow.serving.predictor import ServedModel


@contextmanager
def watched(
    model: ServedModel, log: Path | None, *, location: str, tracking_uri: str | None
) -> Iterator[Traffic | None]:
    """Yield an observer that writes the log; None if there is no log.

    A model whose held-out data are unknown is still logged, but without gauges.

    Args:
        model: The model that is served.
        log: The traffic log.
        location: Location of the model.
        tracking_uri: The MLflow server or database.

    Raises:
        OutputError: The log cannot be written.
    """
    if log is None:
        yield None
        return
    with TrafficLog(log) as opened:
        yield Traffic(opened, model, _recent(model, location, tracking_uri))


def _recent(model: ServedModel, location: str, tracking_uri: str | None) -> RecentDrift | None:
    try:
        found = monitored_model(location, tracking_uri=tracking_uri)
        reference = reference_of_package(found.package)
    except MerflowError as error:
        say(f"serve: /metrics has no drift gauges: {error}")
        return None
    if (found.name, found.version) != (model.name, model.version):
        say(f"serve: /metrics has no drift gauges: the served model is not the champion, version {found.version}")
        return None
    return RecentDrift(reference, model)

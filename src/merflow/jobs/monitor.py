"""Comparison of a window of traffic with the data that the model was tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.drift_results import DriftResults, write_drift
from merflow.contracts.model_package import read_package
from merflow.contracts.progress import say
from merflow.contracts.score_calibration import read_any_calibration
from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import MonitoringError, ParamsError
from merflow.evaluation.drift import ALPHA
from merflow.monitoring.comparison import MIN_CLIPS, compared
from merflow.monitoring.gauges import write_prometheus
from merflow.monitoring.logs import read_records
from merflow.monitoring.page.page import PAGE, write_page
from merflow.monitoring.reference import Reference, reference_of_package, reference_of_traffic, scale_of
from merflow.monitoring.verdict import drift_verdict
from merflow.monitoring.window import moment, only_version, read_labels, window_of
from merflow.opening.monitored_model import MonitoredModel, monitored_model


@dataclass(frozen=True)
class MonitorRequest:
    """A window of traffic, and its reference.

    Attributes:
        traffic: Logs, see :func:`merflow.monitoring.logs.read_records`.
        model: Location of the model; empty for the one that answered the reference.
        reference: Earlier traffic to compare with; empty for the held-out data of the model's package.
        labels: CSV file of labels; None if there are none.
        since: Start of the window, see :func:`merflow.monitoring.window.moment`; empty for no limit.
        until: End of the window.
        alpha: Family-wise level.
        min_clips: Minimum number of clips to compare.
        tracking_uri: MLflow server or database of the model.
    """

    traffic: tuple[Path, ...]
    model: str = ""
    reference: tuple[Path, ...] = ()
    labels: Path | None = None
    since: str = ""
    until: str = ""
    alpha: float = ALPHA
    min_clips: int = MIN_CLIPS
    tracking_uri: str | None = None


def monitor(
    request: MonitorRequest, *, out: Path, command: str, prometheus: Path | None = None
) -> tuple[DriftResults, Path]:
    """Compare a window of traffic; write ``monitor.json`` and ``monitor.html``.

    Args:
        request: Traffic and reference.
        out: Folder of the results.
        command: Command to print on the page.
        prometheus: File for the node exporter; None for no file.

    Returns:
        The results, and the path of the page.

    Raises:
        MonitoringError: Logs, labels and model do not belong together, or the logs are empty.
        FormatError: A log is damaged.
        ModelError: The model was registered before monitoring existed.
        OutputError: ``out`` cannot be written.
        MerflowError: The model cannot be found.
    """
    since, until = moment(request.since, option="--since"), moment(request.until, option="--until")
    if not 0 < request.alpha < 1:
        raise ParamsError(f"--alpha {request.alpha:g} is not a level; choose one between 0 and 1, such as 0.01")
    traffic = [record for path in request.traffic for record in read_records(path)]
    if not traffic:
        named = ", ".join(map(str, request.traffic))
        raise MonitoringError(f"{named}: no clip in it; serve some with merflow serve --log-predictions first")
    name, version, reference = _reference(request)
    window = window_of(traffic, model=name, version=version, since=since, until=until)
    labels: Mapping[str, str | float] = {}
    if request.labels is not None:
        labels = read_labels(request.labels, classes=reference.classes, scale=reference.scale)
    results = compared(
        window,
        reference,
        model=name,
        version=version,
        labels=labels,
        alpha=request.alpha,
        min_clips=request.min_clips,
    )
    write_drift(out, results)
    page = write_page(results, out / PAGE, command=command)
    if prometheus is not None:
        write_prometheus(results, prometheus)
    say(f"monitor {drift_verdict(results).headline}; {page}")
    return results, page


def _reference(request: MonitorRequest) -> tuple[str, str, Reference]:
    """Return name and version of the model, and the reference.

    Raises:
        MonitoringError: Neither a model nor a reference is named, or the reference has no clip of the model.
    """
    model = monitored_model(request.model, tracking_uri=request.tracking_uri) if request.model else None
    if request.reference:
        return _earlier(request.reference, model)
    if model is None:
        raise MonitoringError(
            "nothing to compare with; name the --model that answered, or earlier traffic (--reference)"
        )
    return model.name, model.version, reference_of_package(model.package)


def _earlier(paths: Sequence[Path], model: MonitoredModel | None) -> tuple[str, str, Reference]:
    records: list[TrafficRecord] = [record for path in paths for record in read_records(path)]
    name, version = (model.name, model.version) if model else only_version(records)
    window = window_of(records, model=name, version=version, since=None, until=None)
    if not window.answered:
        raise MonitoringError(f"{', '.join(map(str, paths))}: no clip with a prediction; name logs with traffic")
    if model is None:
        return name, version, reference_of_traffic(window.answered, classes=tuple(window.answered[0].probabilities))
    package = read_package(model.package)
    reference = reference_of_traffic(
        window.answered,
        classes=package.classes,
        promised=read_any_calibration(model.package).coverage,
        scale=scale_of(package),
    )
    return name, version, reference

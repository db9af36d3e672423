"""Finding, making and filling MLflow runs: what the benchmark's run and the folds' runs have in common."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.contracts.errors import TrackingError
from merflow.tracking.connection import Connection

BENCHMARK_TAG = "merflow.benchmark_id"
KIND_TAG = "merflow.kind"
# MLflow's own limits for one request.
_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100

Metrics = list[tuple[str, float, int]]


@dataclass(frozen=True)
class Parent:
    """The benchmark's run, as its folds need it.

    Attributes:
        experiment: MLflow's experiment id.
        run_id: MLflow's run id.
        benchmark_id: Of merflow, the same in every process.
    """

    connection: Connection
    experiment: str
    run_id: str
    benchmark_id: str


def experiment_id(connection: Connection, name: str, *, artifact_root: str | None) -> str:
    """The experiment of that name, made where there is none.

    Raises:
        TrackingError: The server refuses, or the experiment lies in MLflow's trash.
    """
    found = connection.call("get_experiment_by_name", name)
    if found is None:
        return str(connection.call("create_experiment", name, artifact_location=artifact_root))
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"experiment {name!r} was deleted in MLflow; restore it (mlflow experiments restore -x "
            f"{found.experiment_id}) or set tracking.experiment to another name"
        )
    return str(found.experiment_id)


def find_runs(connection: Connection, experiment: str, tags: Mapping[str, str]) -> list[Any]:
    """Runs that carry all these tags, the oldest first.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    conditions = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    order = ["attributes.start_time ASC", "attributes.run_id ASC"]
    page = connection.call("search_runs", [experiment], conditions, order_by=order)
    runs = list(page)
    while page.token:
        page = connection.call("search_runs", [experiment], conditions, order_by=order, page_token=page.token)
        runs += page
    return runs


def get_or_create(
    connection: Connection, experiment: str, *, name: str, identity: Mapping[str, str], tags: Mapping[str, str]
) -> tuple[Any, bool]:
    """The run with these identifying tags, and whether it was there before.

    On a server two processes may both make it in the same instant: both look again and the younger run is taken back.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    found = find_runs(connection, experiment, identity)
    if found:
        return found[0], True
    ours = connection.call("create_run", experiment, tags={**tags, **identity}, run_name=name)
    oldest = find_runs(connection, experiment, identity)[0]
    if oldest.info.run_id == ours.info.run_id:
        return ours, False
    connection.call("delete_run", ours.info.run_id)
    return oldest, True


def log_metrics(connection: Connection, run_id: str, metrics: Metrics) -> None:
    """Figures as (name, value, step), in as few requests as MLflow allows.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    rows = [Metric(key, value, now_ms, step) for key, value, step in metrics]
    for start in range(0, len(rows), _METRICS_A_BATCH):
        connection.call("log_batch", run_id, metrics=rows[start : start + _METRICS_A_BATCH])


def log_params(connection: Connection, run: Any, params: Mapping[str, object]) -> None:  # noqa: ANN401 - mlflow's Run
    """Settings, nested ones by dotted name; one that the run already has stays, for MLflow never changes a param.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow.entities import Param

    rows = [Param(key, str(value)) for key, value in _flat(params) if key not in run.data.params]
    for start in range(0, len(rows), _PARAMS_A_BATCH):
        connection.call("log_batch", run.info.run_id, params=rows[start : start + _PARAMS_A_BATCH])


def logged_figures(connection: Connection, run: Any) -> dict[tuple[str, int], float]:  # noqa: ANN401 - mlflow's Run
    """Every figure of the run by name and step.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    histories = [connection.call("get_metric_history", run.info.run_id, key) for key in run.data.metrics]
    return {(metric.key, metric.step): metric.value for history in histories for metric in history}


def upload(connection: Connection, run_id: str, path: Path) -> None:
    """A file to the run's artifacts, or a folder as a whole.

    Raises:
        TrackingError: The server cannot be reached or refuses, or the file cannot be read.
    """
    if path.is_dir():
        connection.call("log_artifacts", run_id, str(path), path.name)
    else:
        connection.call("log_artifact", run_id, str(path))


def loggable(figures: Mapping[str, object], *, step: int) -> Metrics:
    """The numbers among the figures that MLflow can keep: no text, no truth values, nothing infinite."""
    return [
        (key, float(value), step)
        for key, value in figures.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isinf(value)
    ]


def _flat(params: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

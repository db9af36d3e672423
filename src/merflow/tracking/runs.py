"""Operations that the MLflow runs of benchmarks, variants and folds share: find, create and fill a run."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from merflow.errors import TrackingError
from merflow.tracking.connection import Connection

BENCHMARK_TAG = "merflow.benchmark_id"
KIND_TAG = "merflow.kind"
# Digest of what was uploaded to the run, for a later upload to compare.
UPLOADED_TAG = "merflow.uploaded"
NOTE_TAG = "mlflow.note.content"
PARENT_TAG = "mlflow.parentRunId"
SOURCE_TAGS = {"mlflow.source.name": "merflow"}
# The kind keeps MLflow's UI from asking whether this is about language models.
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    NOTE_TAG: "\n".join(
        [
            "Every benchmark is a run. Its variants are child runs, and every fold is a child of its variant.",
            "Useful searches:",
            "",
            "- `tags.merflow.kind = 'variant'` lists the variants; sort them by `test_UA`.",
            "- `tags.merflow.kind = 'fold' and tags.variant = 'context-mmt:mmt-frozen'` lists the folds of a variant.",
            "- `tags.merflow.kind = 'variant' and metrics.test_UA > 0.7 and tags.promotable = 'true'` lists variants "
            "that may be promoted.",
        ]
    ),
}
# To a hundredth of a percent, because MLflow's tables show every digit; results.json has all of them.
_DIGITS = 4
# MLflow's own limits per request.
_METRICS_PER_BATCH = 1000
_PARAMS_PER_BATCH = 100


class Metric(NamedTuple):
    """One figure of a run; a step is an epoch where there are epochs.

    Attributes:
        time_ms: Time of the measurement in milliseconds since 1970; None for now.
    """

    key: str
    value: float
    step: int
    time_ms: int | None = None


Metrics = list[Metric]


@dataclass(frozen=True)
class Parent:
    """The benchmark's run, as its children need it.

    Attributes:
        experiment: MLflow's experiment id.
        run_id: MLflow's run id.
        benchmark_id: merflow's id of the benchmark, the same in every process.
        data_tags: Tags of all its children.
        data_url: Address of the data set; empty if it has none.
    """

    connection: Connection
    experiment: str
    run_id: str
    benchmark_id: str
    data_tags: Mapping[str, str] = field(default_factory=dict)
    data_url: str = ""


def experiment_id(connection: Connection, name: str, *, artifact_root: str | None) -> str:
    """Return the id of the experiment with this name; make it if there is none.

    Raises:
        TrackingError: The server refuses, or the experiment is in MLflow's trash.
    """
    experiment = connection.call("get_experiment_by_name", name)
    if experiment is None:
        try:
            return str(
                connection.call("create_experiment", name, artifact_location=artifact_root, tags=_EXPERIMENT_TAGS)
            )
        except TrackingError:  # another process may have created it at the same moment
            experiment = connection.call("get_experiment_by_name", name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"experiment {name!r} was deleted in MLflow; restore it (mlflow experiments restore -x "
            f"{experiment.experiment_id}) or set tracking.experiment to another name"
        )
    return str(experiment.experiment_id)


def find_runs(connection: Connection, experiment: str, tags: Mapping[str, str]) -> list[Any]:
    """Return the runs that carry all these tags, the oldest first.

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
    """Return the run with these identifying tags, and True if it existed before.

    On a server, two processes may make it in the same instant: both look again, and the younger run is deleted.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    existing = find_runs(connection, experiment, identity)
    if existing:
        return existing[0], True
    ours = connection.call("create_run", experiment, tags={**tags, **identity}, run_name=name)
    oldest = find_runs(connection, experiment, identity)[0]
    if oldest.info.run_id == ours.info.run_id:
        return ours, False
    connection.call("delete_run", ours.info.run_id)
    return oldest, True


def log_metrics(connection: Connection, run_id: str, metrics: Metrics) -> None:
    """Log figures in as few requests as MLflow allows.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow import entities

    now_ms = int(time.time() * 1000)
    rows = [entities.Metric(each.key, each.value, each.time_ms or now_ms, each.step) for each in metrics]
    for start in range(0, len(rows), _METRICS_PER_BATCH):
        connection.call("log_batch", run_id, metrics=rows[start : start + _METRICS_PER_BATCH])


def log_figures(connection: Connection, run: Any, figures: Mapping[str, object]) -> None:  # noqa: ANN401 - mlflow's Run
    """Log figures that have no epochs, to four digits; a figure that the run has already is not logged twice.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    rows = [row._replace(value=round(row.value, _DIGITS)) for row in loggable(figures, step=0)]
    log_metrics(connection, run.info.run_id, [row for row in rows if run.data.metrics.get(row.key) != row.value])


def set_tags(connection: Connection, run: Any, tags: Mapping[str, str]) -> None:  # noqa: ANN401 - mlflow's Run
    """Set tags; a tag that the run has already is not sent.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow.entities import RunTag

    rows = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
    if rows:
        connection.call("log_batch", run.info.run_id, tags=rows)


def log_params(connection: Connection, run: Any, params: Mapping[str, object]) -> None:  # noqa: ANN401 - mlflow's Run
    """Log settings, nested ones by dotted name; MLflow never changes a param, so one that the run has stays.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow.entities import Param

    rows = [Param(key, value) for key, value in as_params(params).items() if key not in run.data.params]
    for start in range(0, len(rows), _PARAMS_PER_BATCH):
        connection.call("log_batch", run.info.run_id, params=rows[start : start + _PARAMS_PER_BATCH])


def as_params(params: Mapping[str, object]) -> dict[str, str]:
    """Return settings as MLflow stores them: text by dotted name."""
    return {key: str(value) for key, value in _flat(params)}


def logged_figures(connection: Connection, run: Any) -> dict[tuple[str, int], float]:  # noqa: ANN401 - mlflow's Run
    """Return every figure of the run by name and step.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    histories = [connection.call("get_metric_history", run.info.run_id, key) for key in run.data.metrics]
    return {(metric.key, metric.step): metric.value for history in histories for metric in history}


def upload(connection: Connection, run_id: str, path: Path) -> None:
    """Upload a file, or a folder as a whole, to the run's artifacts.

    Raises:
        TrackingError: The server cannot be reached or refuses, or the file cannot be read.
    """
    if path.is_dir():
        connection.call("log_artifacts", run_id, str(path), path.name)
    else:
        connection.call("log_artifact", run_id, str(path))


def loggable(figures: Mapping[str, object], *, step: int) -> Metrics:
    """Return the figures that MLflow can store: numbers, without truth values and infinities."""
    return [
        Metric(key, float(value), step)
        for key, value in figures.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isinf(value)
    ]


def _flat(params: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

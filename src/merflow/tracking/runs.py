"""Finding, making and filling MLflow runs: what those of a benchmark, its variants and folds have in common."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from merflow.errors import TrackingError
from merflow.tracking.connection import Connection

BENCHMARK_TAG = "merflow.benchmark_id"
KIND_TAG = "merflow.kind"
# What of this machine the run holds: a digest, for a later upload to compare.
UPLOADED_TAG = "merflow.uploaded"
NOTE_TAG = "mlflow.note.content"
PARENT_TAG = "mlflow.parentRunId"
SOURCE_TAGS = {"mlflow.source.name": "merflow"}
# MLflow's UI otherwise asks whether this is about language models; and how to find what one looks for.
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    NOTE_TAG: "\n".join(
        [
            "A benchmark is a run, each of its variants a run below it, each fold a run below its variant.",
            "Searches that help:",
            "",
            "- `tags.merflow.kind = 'variant'`: a table of variants; sort by `test_UA`",
            "- `tags.merflow.kind = 'fold' and tags.variant = 'context-mmt:mmt-frozen'`: the folds of one",
            "- `tags.merflow.kind = 'variant' and metrics.test_UA > 0.7 and tags.promotable = 'true'`",
        ]
    ),
}
# A hundredth of a percent. MLflow's tables show every digit that they are given; results.json has them all.
_DIGITS = 4
# MLflow's own limits for one request.
_METRICS_A_BATCH = 1000
_PARAMS_A_BATCH = 100


class Metric(NamedTuple):
    """One figure of a run; a step is an epoch where there are epochs.

    Attributes:
        time_ms: When it was measured, since 1970; None for now.
    """

    key: str
    value: float
    step: int
    time_ms: int | None = None


Metrics = list[Metric]


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
        try:
            return str(
                connection.call("create_experiment", name, artifact_location=artifact_root, tags=_EXPERIMENT_TAGS)
            )
        except TrackingError:  # another process may have made it in the same instant
            found = connection.call("get_experiment_by_name", name)
            if found is None:
                raise
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
    """Figures in as few requests as MLflow allows.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow import entities

    now_ms = int(time.time() * 1000)
    rows = [entities.Metric(each.key, each.value, each.time_ms or now_ms, each.step) for each in metrics]
    for start in range(0, len(rows), _METRICS_A_BATCH):
        connection.call("log_batch", run_id, metrics=rows[start : start + _METRICS_A_BATCH])


def log_figures(connection: Connection, run: Any, figures: Mapping[str, object]) -> None:  # noqa: ANN401 - mlflow's Run
    """Figures that have no epochs, to four digits; one that the run has already is not logged twice.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    rows = [row._replace(value=round(row.value, _DIGITS)) for row in loggable(figures, step=0)]
    log_metrics(connection, run.info.run_id, [row for row in rows if run.data.metrics.get(row.key) != row.value])


def set_tags(connection: Connection, run: Any, tags: Mapping[str, str]) -> None:  # noqa: ANN401 - mlflow's Run
    """Tags; one that the run has already is not sent.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow.entities import RunTag

    rows = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
    if rows:
        connection.call("log_batch", run.info.run_id, tags=rows)


def log_params(connection: Connection, run: Any, params: Mapping[str, object]) -> None:  # noqa: ANN401 - mlflow's Run
    """Settings, nested ones by dotted name; one that the run already has stays, for MLflow never changes a param.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    from mlflow.entities import Param

    rows = [Param(key, value) for key, value in as_params(params).items() if key not in run.data.params]
    for start in range(0, len(rows), _PARAMS_A_BATCH):
        connection.call("log_batch", run.info.run_id, params=rows[start : start + _PARAMS_A_BATCH])


def as_params(params: Mapping[str, object]) -> dict[str, str]:
    """Settings as MLflow keeps them: text by dotted name."""
    return {key: str(value) for key, value in _flat(params)}


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

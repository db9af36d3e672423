"""One fold's training as an MLflow run, a child of its variant's run."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from merflow.contracts.history import HISTORY, read_history
from merflow.contracts.planned_fold import PlannedFold
from merflow.errors import OutputError, TrackingError
from merflow.storage.local import read_json, write_json
from merflow.tracking.deletion import retire_run
from merflow.tracking.fold_tags import fold_params, identity, part_datasets, run_name, variant_tags
from merflow.tracking.machine import PREFIX, Sampler
from merflow.tracking.runs import (
    BENCHMARK_TAG,
    KIND_TAG,
    PARENT_TAG,
    UPLOADED_TAG,
    Metric,
    Metrics,
    Parent,
    get_or_create,
    log_metrics,
    log_params,
    loggable,
    logged_figures,
    set_tags,
    upload,
)
from merflow.tracking.variant_run import open_variant

logger = logging.getLogger(__name__)

# Epochs of small models take a tenth of a second and a request takes ten milliseconds, so figures are sent together.
FLUSH_S = 5.0
# Files of the fold's folder that are uploaded; the checkpoint is not.
UPLOADED = ("*.parquet", "*.json", "*.png", "*.svg", "inspection.safetensors", "model")
# Measurements of the machine, in the fold's folder too, so that they outlive a server that is down.
SYSTEM = "system.json"
# Two identical training runs differ only in wall time.
_NEVER_EQUAL = ("seconds",)


class FoldRun:
    """Tracks one fold's training; a :class:`merflow.contracts.tracker.Tracker` and a context manager.

    A fold that is resumed continues its run, and a figure that was logged before is not logged twice. A forgiving run
    raises nothing: the first failure is a warning in the log, and from then on the fold is no longer tracked. Leaving
    the context ends the run as FINISHED, FAILED (an exception) or KILLED (an interrupt).
    """

    def __init__(
        self,
        fold: PlannedFold,
        parent: Callable[[], Parent],
        *,
        machine: Sampler | None,
        forgiving: bool,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Open the run.

        Args:
            fold: The fold.
            parent: Opens the benchmark's run, or raises :class:`TrackingError`.
            machine: Measures the machine until the run ends; None for no measurements.
            forgiving: True to log a failure as a warning; False to raise :class:`TrackingError`.
            tags: Further tags of a new run.

        Raises:
            TrackingError: The run or its parent cannot be opened; never if it is forgiving.
        """
        self._fold = fold
        self._open_parent = parent
        self._machine = machine
        self._forgiving = forgiving
        self._tags = dict(tags or {})
        self._waiting: Metrics = []
        self._system: Metrics = []
        self._flushed_s = time.monotonic()
        self._logged: dict[tuple[str, int], float] = {}
        self._run_id: str | None = None
        self._lost = False
        self._ended = False
        self._attempt(self._open)

    @property
    def run_id(self) -> str | None:
        """MLflow's id; None if the run could not be opened."""
        return self._run_id

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Log the figures of a finished epoch, counted from 1; they are sent every few seconds."""
        self._queue(loggable(metrics, step=epoch))
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self._attempt(self._flush)

    def log_folder(self, folder: Path) -> None:
        """Upload the finished fold's files, log the figures of its history that the run lacks, and end the run.

        Measurements of the machine are written into the folder first. A run whose figures differ from the history
        belongs to an earlier training of the same fold; a new run takes its place (:mod:`merflow.tracking.deletion`).
        """
        self._attempt(lambda: self._write_system(folder), even_if_lost=True)
        self._attempt(lambda: self._log_folder(folder))
        self.finish("FINISHED")

    def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED; an ended run stays as it is."""
        if self._ended:
            return
        self._ended = True
        if self._machine is not None:
            self._machine.stop()
        self._attempt(self._flush)
        self._attempt(lambda: self._call("set_terminated", status=status))

    def __enter__(self) -> "FoldRun":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish("FINISHED")
        else:
            self.finish("FAILED" if issubclass(kind, Exception) else "KILLED")

    def _call(self, method: str, *args: object, **kwargs: object) -> None:
        self._parent.connection.call(method, self._run_id, *args, **kwargs)

    def _attempt(self, action: Callable[[], object], *, even_if_lost: bool = False) -> None:
        if self._lost and not even_if_lost:
            return
        try:
            action()
        except (TrackingError, OutputError) as error:
            if not self._forgiving:
                raise
            self._lost = True
            logger.warning("%s is no longer tracked, but training continues: %s", run_name(self._fold), error)

    def _open(self) -> None:
        self._parent = self._open_parent()
        run, continued = self._get_or_create()
        self._run_id = str(run.info.run_id)
        if continued:
            self._logged = logged_figures(self._parent.connection, run)
            set_tags(self._parent.connection, run, self._tags)
            self._call("update_run", status="RUNNING")

    def _get_or_create(self) -> tuple[Any, bool]:
        fold, parent = self._fold, self._parent
        variant = open_variant(parent, fold)
        with parent.connection.exclusive():
            run, continued = get_or_create(
                parent.connection,
                parent.experiment,
                name=run_name(fold),
                identity={BENCHMARK_TAG: parent.benchmark_id, KIND_TAG: "fold", **identity(fold)},
                tags={**variant_tags(fold), **parent.data_tags, **self._tags, PARENT_TAG: str(variant.info.run_id)},
            )
        log_params(parent.connection, run, fold_params(fold))
        parent.connection.call("log_inputs", run.info.run_id, part_datasets(fold, url=parent.data_url))
        return run, continued

    def _queue(self, rows: Metrics) -> None:
        new = [row for row in rows if (row.key, row.step) not in self._logged]
        self._waiting += new
        self._logged.update({(row.key, row.step): row.value for row in new})

    def _flush(self) -> None:
        self._queue_system()
        log_metrics(self._parent.connection, str(self._run_id), self._waiting)
        self._waiting = []
        self._flushed_s = time.monotonic()

    def _queue_system(self) -> None:
        """Queue the measurements since the last call; steps continue those of an interrupted run."""
        if self._machine is None:
            return
        first = 1 + max((step for key, step in self._logged if key.startswith(PREFIX)), default=-1)
        for step, (time_ms, figures) in enumerate(self._machine.take(), start=first):
            rows = [Metric(key, value, step, time_ms) for key, value in figures.items()]
            self._system += rows
            self._queue(rows)

    def _write_system(self, folder: Path) -> None:
        if self._machine is None:
            return
        self._machine.stop()
        self._queue_system()
        if self._system:
            write_json(folder / SYSTEM, self._system)

    def _log_folder(self, folder: Path) -> None:
        history = _history(folder)
        if _is_of_another_training(self._logged, history):
            self._replace()
        self._queue([*history, *_system(folder)])
        self._flush()
        for path in sorted({path for pattern in UPLOADED for path in folder.glob(pattern)}):
            upload(self._parent.connection, str(self._run_id), path)
        self._call("set_tag", UPLOADED_TAG, self._fold.fingerprint)

    def _replace(self) -> None:
        retire_run(self._parent.connection, str(self._run_id))
        run, _ = self._get_or_create()
        self._run_id, self._logged, self._waiting = str(run.info.run_id), {}, []


def _history(folder: Path) -> Metrics:
    """Return the metrics of the fold's epochs; none if the folder has no history."""
    epochs = read_history(folder) if (folder / HISTORY).is_file() else ()
    return [figure for epoch in epochs for figure in loggable(epoch.figures, step=epoch.epoch)]


def _system(folder: Path) -> Metrics:
    """Return the measurements of the machine; none if the folder has none."""
    path = folder / SYSTEM
    return [Metric(*row) for row in read_json(path)] if path.is_file() else []


def _is_of_another_training(logged: Mapping[tuple[str, int], float], history: Metrics) -> bool:
    """Return True if a figure was logged with another value, or for an epoch that the history does not have."""
    values = {(row.key, row.step): row.value for row in history if row.key not in _NEVER_EQUAL}
    names = {key for key, _ in values}
    return any(
        (key, step) not in values or not _equal(value, values[key, step])
        for (key, step), value in logged.items()
        if key in names
    )


def _equal(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))

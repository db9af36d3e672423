"""One fold's training as an MLflow run, child of its benchmark's run."""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from merflow.contracts.errors import TrackingError
from merflow.tracking.runs import (
    BENCHMARK_TAG,
    KIND_TAG,
    Metrics,
    Parent,
    get_or_create,
    log_metrics,
    log_params,
    loggable,
    logged_figures,
    upload,
)

logger = logging.getLogger(__name__)

# Epochs of small models take a tenth of a second and a request ten milliseconds: figures wait for each other.
FLUSH_S = 5.0
# Of the fold's folder, these are worth keeping; its state for resuming is not.
UPLOADED = ("*.parquet", "*.json", "*.png", "*.svg", "model")
UPLOADED_TAG = "merflow.uploaded"
# Wall time: two equal trainings differ in nothing else.
_NEVER_EQUAL = ("seconds",)


@dataclass(frozen=True)
class FoldFacts:
    """What identifies one fold's training and what it was made from.

    Attributes:
        variant: ``model:preset``.
        selection: How the epoch is chosen.
        params: Recipe, model config and split settings; nested ones get dotted names.
    """

    variant: str
    fold: int
    seed: int
    corpus: str
    manifest_hash: str
    split_id: str
    protocol: str
    selection: str
    git_commit: str | None
    params: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name in MLflow."""
        return f"{self.variant} fold {self.fold}" + (f" seed {self.seed}" if self.seed else "")

    @property
    def identity(self) -> dict[str, str]:
        """Tags that no other fold of the benchmark has."""
        return {"variant": self.variant, "fold": str(self.fold), "seed": str(self.seed)}

    @property
    def tags(self) -> dict[str, str]:
        """Further tags."""
        commit = {"mlflow.source.git.commit": self.git_commit} if self.git_commit else {}
        return {
            "model": self.variant.partition(":")[0],
            "preset": self.variant.partition(":")[2],
            "corpus": self.corpus,
            "manifest_hash": self.manifest_hash,
            "split_id": self.split_id,
            "protocol": self.protocol,
            "selection": self.selection,
            "mlflow.source.name": "merflow",
            **commit,
        }


class FoldRun:
    """Tracks one fold's training; a :class:`merflow.contracts.tracker.Tracker` and a context manager.

    A fold that is resumed continues its run, and a figure that is already there is not logged twice. Nothing raises:
    the first failure is a warning in the log, and from then on this fold is not tracked. Leaving the context ends the
    run as FINISHED, FAILED (an exception) or KILLED (an interrupt).
    """

    def __init__(self, facts: FoldFacts, parent: Callable[[], Parent]) -> None:
        """Opens the run.

        Args:
            facts: Which fold.
            parent: Opens the benchmark's run, or raises :class:`TrackingError`.
        """
        self._facts = facts
        self._open_parent = parent
        self._waiting: Metrics = []
        self._flushed_s = time.monotonic()
        self._logged: dict[tuple[str, int], float] = {}
        self._run_id: str | None = None
        self._lost = False
        self._ended = False
        self._attempt(self._open)

    @property
    def run_id(self) -> str | None:
        """MLflow's id; None where the run could not be opened."""
        return self._run_id

    def log_metrics(self, metrics: Mapping[str, float], *, epoch: int) -> None:
        """Figures of one finished epoch, counted from 1; sent every few seconds."""
        new = [row for row in loggable(metrics, step=epoch) if (row[0], epoch) not in self._logged]
        self._waiting += new
        self._logged.update({(key, step): value for key, value, step in new})
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self._attempt(self._flush)

    def log_folder(self, folder: Path) -> None:
        """Files of the finished fold, and figures of its ``history.json`` that the run lacks; ends the run.

        A run whose figures are not those of the history belongs to an earlier training of the same fold; it is
        deleted and a new one takes its place.
        """
        self._attempt(lambda: self._log_folder(folder))
        self.finish("FINISHED")

    def finish(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED; an ended run stays as it is."""
        if not self._ended:
            self._attempt(self._flush)
            self._attempt(lambda: self._call("set_terminated", status=status))
            self._ended = True

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

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._lost:
            return
        try:
            action()
        except TrackingError as error:
            self._lost = True
            logger.warning("%s is no longer tracked, training goes on: %s", self._facts.name, error)

    def _open(self) -> None:
        self._parent = self._open_parent()
        with self._parent.connection.exclusive():
            run, continued = self._get_or_create()
        self._run_id = str(run.info.run_id)
        if continued:
            self._logged = logged_figures(self._parent.connection, run)
            self._call("update_run", status="RUNNING")
        log_params(self._parent.connection, run, self._facts.params)
        self._log_inputs()

    def _get_or_create(self) -> tuple[Any, bool]:
        return get_or_create(
            self._parent.connection,
            self._parent.experiment,
            name=self._facts.name,
            identity={BENCHMARK_TAG: self._parent.benchmark_id, KIND_TAG: "fold", **self._facts.identity},
            tags={**self._facts.tags, "mlflow.parentRunId": self._parent.run_id},
        )

    def _log_inputs(self) -> None:
        """The fold's training and test utterances as dataset inputs: names and hashes, no data."""
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag

        facts = self._facts
        source = {"corpus": facts.corpus, "manifest_hash": facts.manifest_hash, "split_id": facts.split_id}
        inputs = [
            DatasetInput(
                MetaDataset(
                    CodeDatasetSource({**source, "protocol": facts.protocol, "fold": facts.fold, "part": part}),
                    name=f"{facts.corpus} {facts.protocol} fold {facts.fold} {part}",
                    digest=f"{facts.manifest_hash}/{facts.split_id}"[:36],
                )._to_mlflow_entity(),
                tags=[InputTag("mlflow.data.context", part)],
            )
            for part in ("train", "test")
        ]
        self._call("log_inputs", inputs)

    def _flush(self) -> None:
        log_metrics(self._parent.connection, str(self._run_id), self._waiting)
        self._waiting = []
        self._flushed_s = time.monotonic()

    def _log_folder(self, folder: Path) -> None:
        history = _history(folder)
        if _is_of_another_training(self._logged, history):
            self._replace()
        self._waiting += [row for row in history if (row[0], row[2]) not in self._logged]
        self._logged.update({(key, step): value for key, value, step in history})
        self._flush()
        for path in sorted({path for pattern in UPLOADED for path in folder.glob(pattern)}):
            upload(self._parent.connection, str(self._run_id), path)
        self._call("set_tag", UPLOADED_TAG, "true")

    def _replace(self) -> None:
        self._call("delete_run")
        run, _ = self._get_or_create()
        self._run_id, self._logged, self._waiting = str(run.info.run_id), {}, []
        log_params(self._parent.connection, run, self._facts.params)
        self._log_inputs()


def _history(folder: Path) -> Metrics:
    """The figures of the fold's epochs; none where the folder has no history."""
    path = folder / "history.json"
    if not path.is_file():
        return []
    figures: Metrics = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        epoch = int(row.pop("epoch"))
        figures += loggable(row, step=epoch)
    return figures


def _is_of_another_training(logged: Mapping[tuple[str, int], float], history: Metrics) -> bool:
    """Whether a figure was logged with another value, or for an epoch that the history does not have."""
    values = {(key, step): value for key, value, step in history if key not in _NEVER_EQUAL}
    names = {key for key, _ in values}
    return any(
        (key, step) not in values or not _equal(value, values[key, step])
        for (key, step), value in logged.items()
        if key in names
    )


def _equal(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))

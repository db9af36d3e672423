"""A study as an MLflow run, and each of its trials as a child run."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merflow.contracts.pod_environment import PodEnvironment
from merflow.errors import TrackingError
from merflow.tracking.connection import Connection
from merflow.tracking.runs import (
    BENCHMARK_TAG,
    KIND_TAG,
    Metrics,
    Parent,
    experiment_id,
    find_runs,
    get_or_create,
    log_metrics,
    log_params,
    loggable,
    upload,
)

logger = logging.getLogger(__name__)

_STATE_TAG = "state"
_STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "diverged": "FINISHED"}


@dataclass(frozen=True)
class TrialFacts:
    """One ended trial.

    Attributes:
        state: ``complete``, ``pruned``, ``diverged`` or ``failed``.
        figure: Name of the figure that the study maximizes, for example ``UA``.
        value: Mean of that figure on development data; of a pruned trial, of the epochs until then.
        folds: The figure of every finished fold.
        steps: Mean of the figure after every epoch; epochs are counted through the folds.
        values: Settings of the trial by dotted name.
    """

    number: int
    state: str
    figure: str
    value: float | None
    folds: Mapping[str, float]
    steps: Mapping[int, float]
    values: Mapping[str, object] = field(default_factory=dict)
    seconds: float | None = None

    @property
    def metrics(self) -> Metrics:
        """Figures by name and step."""
        name = f"dev_{self.figure}"
        last: dict[str, object] = {name: self.value, "seconds": self.seconds}
        folds: dict[str, object] = {f"{name}_fold_{fold}": value for fold, value in self.folds.items()}
        steps = [row for step, value in self.steps.items() for row in loggable({f"{name}_so_far": value}, step=step)]
        return [*loggable(last | folds, step=0), *steps]


class StudyRun:
    """The parent run of a study's trials. Only a wrong setting raises; a server that is down is a warning.

    Trials that could not be logged while they ran are logged at the end, from the study itself.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        experiment: str,
        name: str,
        study_id: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
    ) -> None:
        self._connection = connection
        self._experiment = experiment
        self._name = name
        self._study_id = study_id
        self._tags = dict(tags)
        self._params = dict(params)
        self._pod_tags = PodEnvironment.read(os.environ).tags()
        self._opened: Parent | None = None
        self._attempt("open the study's run", self._open)

    @property
    def run_id(self) -> str | None:
        """MLflow's id; None until the server was reached."""
        return None if self._opened is None else self._opened.run_id

    def log_trial(self, trial: TrialFacts) -> None:
        """Log an ended trial as a run; a run that exists stays as it is."""
        self._attempt(f"log trial {trial.number}", lambda: self._log_trial(trial))

    def log_study(self, trials: Sequence[TrialFacts], *, best: TrialFacts, note: str, files: Sequence[Path]) -> None:
        """Log trials that have no run yet, the best trial's figures, and files; end the run as FINISHED.

        The first failure stops it, so that a server that is down is waited for once and not once per trial.

        Args:
            trials: All trials that ended.
            best: The best of them.
            note: Description of the run, in Markdown.
            files: Files to upload.
        """

        def log() -> None:
            for trial in trials:
                self._log_trial(trial)
            self._log_study(best, note=note, files=files)

        self._attempt("log the study", log, then="the same command tries again")

    def _attempt(self, what: str, action: Callable[[], object], *, then: str = "tuning continues") -> None:
        try:
            action()
        except TrackingError as error:
            logger.warning("could not %s, %s: %s", what, then, error)

    def _open(self) -> None:
        connection = self._connection
        root = None if connection.database is None else connection.database.with_name("mlartifacts").resolve().as_uri()
        with connection.exclusive():
            experiment = experiment_id(connection, self._experiment, artifact_root=root)
            run, continued = get_or_create(
                connection,
                experiment,
                name=self._name,
                identity={BENCHMARK_TAG: self._study_id, KIND_TAG: "study"},
                tags={**self._tags, **self._pod_tags, "mlflow.source.name": "merflow"},
            )
        if continued and run.info.status != "RUNNING":
            connection.call("update_run", run.info.run_id, status="RUNNING")
        log_params(connection, run, self._params)
        self._opened = Parent(connection, experiment, str(run.info.run_id), self._study_id)

    def _parent(self) -> Parent:
        if self._opened is None:
            self._open()
        assert self._opened is not None
        return self._opened

    def _log_trial(self, trial: TrialFacts) -> None:
        parent = self._parent()
        identity = {BENCHMARK_TAG: self._study_id, KIND_TAG: "trial", "trial": str(trial.number)}
        ended = [
            run for run in find_runs(parent.connection, parent.experiment, identity) if run.info.status != "RUNNING"
        ]
        if ended:
            return
        run, _ = get_or_create(
            parent.connection,
            parent.experiment,
            name=f"{self._name} trial {trial.number}",
            identity=identity,
            tags={**self._tags, _STATE_TAG: trial.state, "mlflow.parentRunId": parent.run_id},
        )
        run_id = str(run.info.run_id)
        log_params(parent.connection, run, trial.values)
        log_metrics(parent.connection, run_id, trial.metrics)
        parent.connection.call("set_terminated", run_id, status=_STATUS.get(trial.state, "FAILED"))

    def _log_study(self, best: TrialFacts, *, note: str, files: Sequence[Path]) -> None:
        parent = self._parent()
        figures: dict[str, Any] = {f"best.dev_{best.figure}": best.value, "best.trial": best.number}
        log_metrics(parent.connection, parent.run_id, loggable(figures, step=0))
        parent.connection.call("set_tag", parent.run_id, "best_trial", str(best.number))
        parent.connection.call("set_tag", parent.run_id, "mlflow.note.content", note)
        for path in files:
            upload(parent.connection, parent.run_id, path)
        parent.connection.call("set_terminated", parent.run_id, status="FINISHED")


def open_study_run(
    uri: str, *, experiment: str, name: str, study_id: str, tags: Mapping[str, str], params: Mapping[str, object]
) -> StudyRun:
    """Make or continue the study's run; call it once before processes that open it again in parallel.

    Args:
        uri: URI of the tracking server or database.
        experiment: Name of the MLflow experiment; it is made if there is none.
        name: The run's readable name.
        study_id: The same for every process and every repetition of this study.
        tags: Variant, manifest hash, split id, git commit.
        params: Settings of the study; nested ones get dotted names.

    Raises:
        TrackingError: MLflow is not installed, or cannot track at the URI.
        OutputError: The SQLite file's folder cannot be made.
    """
    connection = Connection(uri)
    return StudyRun(connection, experiment=experiment, name=name, study_id=study_id, tags=tags, params=params)

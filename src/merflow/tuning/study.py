"""A study: one search that any number of workers add trials to, in SQLite or on a database server.

What it is a study of is written into it when it is made. Whoever opens it says what he expects, and is refused where
that differs: figures of another space, split or objective would teach the sampler nothing true.
"""

import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from merflow.contracts.params import TuningParams
from merflow.contracts.passwords import masked, without_password
from merflow.errors import TuningError
from merflow.storage.local import digest, output_errors
from merflow.tuning.pruning import StepMedianPruner
from merflow.tuning.space import Values

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

_FACTS = "merflow.facts"
# Two commands that are started together both make the tables, and one of them is told that they are there.
_PAUSES_S = (0.5, 1.0, 2.0)


class _Logged(sqlite3.Connection):
    """A connection that writes ahead into a log: workers do not wait for each other's disk.

    A kill loses nothing, a power failure the last seconds; neither harms the file. A file system that has no such log
    keeps SQLite's usual journal.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401 - as SQLite's
        super().__init__(*arguments, **settings)
        (mode,) = self.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode == "wal":
            self.execute("PRAGMA synchronous=NORMAL")


_SQLITE: Mapping[str, Any] = {"timeout": 60, "factory": _Logged}  # seconds, for another worker's lock


@dataclass(frozen=True)
class StudyPlace:
    """Where a study is.

    Attributes:
        url: SQLAlchemy's URL of the database, without its password.
        name: Of the study in it.
        password: Of the database; None leaves it to PGPASSWORD and ~/.pgpass, as PostgreSQL's own programs do. It is
            never written anywhere.
    """

    url: str
    name: str
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, storage: str, *, folder: Path, name: str) -> "StudyPlace":
        """The place that ``tuning.storage`` of ``params.yaml`` stands for.

        Args:
            storage: ``auto`` for SQLite in the folder, or a URL.
            folder: Output folder of the study.
            name: Of the study.

        Raises:
            TuningError: It is no URL of SQLite or PostgreSQL.
        """
        if storage == "auto":
            return cls(f"sqlite:///{folder.resolve() / 'study.db'}", name)
        scheme, _, rest = storage.partition("://")
        if scheme == "sqlite":
            return cls(storage, name)
        if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
            url, password = without_password(f"postgresql+psycopg://{rest}")
            return cls(url, name, password)
        raise TuningError(
            f"tuning.storage {masked(storage)!r} is no database that studies are kept in; write "
            "postgresql://USER@HOST/DATABASE (its password in PGPASSWORD), sqlite:////absolute/path/study.db, or auto"
        )

    @property
    def lock(self) -> Path | None:
        """What workers of this machine take turns by when they ask for a trial; None on a server, which locks rows.

        SQLite would give one waiting trial to two that ask in the same instant.
        """
        if not self.url.startswith("sqlite:///"):
            return None
        database = Path(self.url.removeprefix("sqlite:///"))
        return database.with_name(f"{database.name}.lock")

    def __str__(self) -> str:
        shown = self.url if self.password is None else self.url.replace("@", ":***@", 1)
        return f"study {self.name!r} in {shown}"


def create_study(place: StudyPlace, *, facts: Mapping[str, Any], first: Values, params: TuningParams) -> optuna.Study:
    """Makes the study, or opens the one that is there. To be called once, before workers are started.

    Args:
        place: Where it is.
        facts: What it is a study of, as JSON.
        first: The values of its first trial: what all others are compared with.
        params: Heartbeats and retries.

    Raises:
        TuningError: The database cannot be reached, or holds another study of this name.
        OutputError: SQLite's folder cannot be written.
    """
    storage = _storage(place, params)
    with database_errors(place):
        try:
            study = optuna.create_study(storage=storage, study_name=place.name, direction="maximize")
        except DuplicatedStudyError:
            return open_study(place, facts=facts, params=params)
        study.enqueue_trial(first)
        study.set_user_attr(_FACTS, dict(facts))  # last: whoever finds it finds a whole study
    return study


def open_study(place: StudyPlace, *, facts: Mapping[str, Any] | None = None, params: TuningParams) -> optuna.Study:
    """Opens a study that is there, with these facts if any are given.

    Raises:
        TuningError: The database cannot be reached, has no such study, or one of something else.
    """
    storage = _storage(place, params)
    with database_errors(place):
        try:
            study = optuna.load_study(storage=storage, study_name=place.name)
        except KeyError as error:
            raise TuningError(f"there is no {place}; `merflow tune` makes it before its workers start") from error
        found = _facts_of(study, place)
    if facts is not None:
        _refuse_other(place, found=found, expected=facts)
    return study


def facts_of(study: optuna.Study) -> dict[str, Any]:
    """What it is a study of."""
    facts: dict[str, Any] = study.user_attrs[_FACTS]
    return facts


def set_out(study: optuna.Study, params: TuningParams, *, worker: int) -> None:
    """Readies sampler and pruner for the next trial.

    The sampler's chance follows from the seed, the worker and the number of trials so far, not from how often the
    worker was started: a study that is resumed goes on as one that never stopped.
    """
    so_far = sum(trial.state != TrialState.FAIL for trial in study.get_trials(deepcopy=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
        study.sampler = TPESampler(
            n_startup_trials=params.startup_trials,
            multivariate=True,
            group=True,  # settings that do nothing beside others' values are missing from some trials
            constant_liar=True,  # a trial that runs elsewhere counts as a bad one: nobody repeats it
            seed=int(digest([params.seed, worker, so_far])[:8], 16),
        )
    study.pruner = StepMedianPruner(startup_trials=params.pruning_trials, warmup_steps=params.pruning_epochs)


def retry(study: optuna.Study, trial: FrozenTrial, params: TuningParams) -> None:
    """Puts a failed trial's values back, to be tried again by whoever asks next."""
    _again(params)(study, trial)


def original_number(trial: FrozenTrial) -> int:
    """The number of the trial that this one repeats; its own where it repeats none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        retried = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if retried is None else retried


def _again(params: TuningParams) -> Callable[[optuna.Study, FrozenTrial], None]:
    """What is done with a failed trial: its values are kept, what was noted of it is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        callback = RetryHeartbeatStaleTrialCallback(max_retry=params.retries)

    def put_back(study: optuna.Study, trial: FrozenTrial) -> None:
        trial.user_attrs = {}
        callback(study, trial)

    return put_back


def _storage(place: StudyPlace, params: TuningParams) -> RDBStorage:
    sqlite = place.url.startswith("sqlite")
    secret = {} if place.password is None else {"password": place.password}
    engine = {"connect_args": _SQLITE} if sqlite else {"connect_args": secret, "pool_pre_ping": True}
    if sqlite:
        folder = Path(place.url.removeprefix("sqlite:///")).parent
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    for pause_s in (*_PAUSES_S, None):
        try:
            with _quiet():
                return RDBStorage(
                    place.url,
                    engine_kwargs=engine,
                    heartbeat_interval=params.heartbeat_s,
                    grace_period=params.grace_s,
                    heartbeat_stale_trial_callback=_again(params),
                )
        except (SQLAlchemyError, ImportError) as error:
            if pause_s is None or isinstance(error, ImportError):
                raise TuningError(_told(place, error)) from error
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna says on standard error what merflow says itself."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


@contextmanager
def database_errors(place: StudyPlace) -> Iterator[None]:
    """Turns what a database does not do into a :class:`TuningError`."""
    try:
        with _quiet():
            yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise TuningError(_told(place, error)) from error


def _told(place: StudyPlace, error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{place} needs a driver ({error}); pip install 'merflow[postgres]'"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"cannot use {place}: {masked(lines[0])}; check tuning.storage (--storage), the password in PGPASSWORD or "
        "~/.pgpass, and that the server takes connections"
    )


def _facts_of(study: optuna.Study, place: StudyPlace) -> dict[str, Any]:
    """The facts; another process that makes the study in this moment writes them within seconds."""
    for pause_s in (*_PAUSES_S, None):
        if _FACTS in study.user_attrs:
            return facts_of(study)
        if pause_s is not None:
            time.sleep(pause_s)
    raise TuningError(f"{place} was not made by merflow; choose another name with --study")


def _refuse_other(place: StudyPlace, *, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    there, now = _flat(found), _flat(expected)
    lines = [
        f"  {key}: {there.get(key, 'nothing')} there, {now.get(key, 'nothing')} now"
        for key in sorted(there.keys() | now.keys())
        if there.get(key, "nothing") != now.get(key, "nothing")
    ]
    if lines:
        raise TuningError(
            "\n".join([f"{place} is of something else; choose another folder (--out) or name (--study)", *lines])
        )


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in facts.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found

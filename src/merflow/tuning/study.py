"""A study: one search to which any number of workers add trials, in SQLite or on a database server.

A new study records its subject. Opening it later with a different subject is refused, because figures from another
search space, split or objective would mislead the sampler.
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

_SUBJECT = "merflow.subject"
# If two commands start together, both create the tables; one of them fails because they exist, and tries again.
_PAUSES_S = (0.5, 1.0, 2.0)


class _Logged(sqlite3.Connection):
    """A connection with a write-ahead log, so that workers do not wait for each other's disk.

    Nothing is lost if a process is killed, and only the last seconds after a power failure; neither harms the file. On
    a file system without support for such a log, SQLite's usual journal is used.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401 - the same as SQLite's
        super().__init__(*arguments, **settings)
        (mode,) = self.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode == "wal":
            self.execute("PRAGMA synchronous=NORMAL")


_SQLITE: Mapping[str, Any] = {"timeout": 60, "factory": _Logged}  # seconds to wait for another worker's lock


@dataclass(frozen=True)
class StudyLocation:
    """The database of a study, and the study's name in it.

    Attributes:
        url: SQLAlchemy's URL of the database, without its password.
        name: The study's name in the database.
        password: The database's password, which is never written anywhere. None leaves it to PGPASSWORD and ~/.pgpass,
            as PostgreSQL's own programs do.
    """

    url: str
    name: str
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, storage: str, *, folder: Path, name: str) -> "StudyLocation":
        """Return the location for ``tuning.storage`` in ``params.yaml``.

        Args:
            storage: ``auto`` for SQLite in the folder, or a URL.
            folder: Output folder of the study.
            name: The study's name.

        Raises:
            TuningError: The storage is neither ``auto`` nor a URL of SQLite or PostgreSQL.
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
            f"tuning.storage {masked(storage)!r} is not a URL of SQLite or PostgreSQL; write "
            "postgresql://USER@HOST/DATABASE (with the password in PGPASSWORD), sqlite:////absolute/path/study.db, or "
            "auto"
        )

    @property
    def lock(self) -> Path | None:
        """The file that workers on this machine lock while requesting a trial; None on a server, which locks rows.

        Without it, SQLite would give one waiting trial to two workers that ask at the same time.
        """
        if not self.url.startswith("sqlite:///"):
            return None
        database = Path(self.url.removeprefix("sqlite:///"))
        return database.with_name(f"{database.name}.lock")

    def __str__(self) -> str:
        shown = self.url if self.password is None else self.url.replace("@", ":***@", 1)
        return f"study {self.name!r} in {shown}"


def create_study(
    location: StudyLocation, *, subject: Mapping[str, Any], first: Values, params: TuningParams
) -> optuna.Study:
    """Create the study, or open it if it exists. Call this once, before any worker starts.

    Args:
        location: The database and the study's name.
        subject: The study's subject as JSON.
        first: Values of the first trial, with which all others are compared.
        params: Heartbeats and retries.

    Raises:
        TuningError: The database cannot be reached, or its study of this name has another subject.
        OutputError: SQLite's folder cannot be written.
    """
    storage = _storage(location, params)
    with database_errors(location):
        try:
            study = optuna.create_study(storage=storage, study_name=location.name, direction="maximize")
        except DuplicatedStudyError:
            return open_study(location, subject=subject, params=params)
        study.enqueue_trial(first)
        study.set_user_attr(_SUBJECT, dict(subject))  # last, so that a study with a subject is complete
    return study


def open_study(
    location: StudyLocation, *, subject: Mapping[str, Any] | None = None, params: TuningParams
) -> optuna.Study:
    """Open an existing study, and check its subject if one is given.

    Raises:
        TuningError: The database cannot be reached, has no such study, or its study has another subject.
    """
    storage = _storage(location, params)
    with database_errors(location):
        try:
            study = optuna.load_study(storage=storage, study_name=location.name)
        except KeyError as error:
            raise TuningError(
                f"{location} does not exist; `merflow tune` creates it before its workers start"
            ) from error
        recorded = _subject_of(study, location)
    if subject is not None:
        _refuse_other(location, recorded=recorded, expected=subject)
    return study


def prepare_next_trial(study: optuna.Study, params: TuningParams, *, worker: int) -> None:
    """Set up sampler and pruner for the next trial.

    The sampler's random numbers depend on the seed, the worker and the number of trials so far, and not on how often
    the worker was started. So a resumed study continues like one that never stopped.
    """
    so_far = sum(trial.state != TrialState.FAIL for trial in study.get_trials(deepcopy=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
        study.sampler = TPESampler(
            n_startup_trials=params.startup_trials,
            multivariate=True,
            group=True,  # some trials lack settings that have no effect given the others' values
            constant_liar=True,  # running trials count as bad ones, so that nobody repeats them
            seed=int(digest([params.seed, worker, so_far])[:8], 16),
        )
    study.pruner = StepMedianPruner(startup_trials=params.pruning_trials, warmup_steps=params.pruning_epochs)


def retry(study: optuna.Study, trial: FrozenTrial, params: TuningParams) -> None:
    """Return a failed trial's values to the queue."""
    _again(params)(study, trial)


def original_number(trial: FrozenTrial) -> int:
    """Return the number of the trial that this one repeats, or its own number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        retried = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if retried is None else retried


def _again(params: TuningParams) -> Callable[[optuna.Study, FrozenTrial], None]:
    """Return the function that puts a failed trial back into the queue, with its values but without its notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        callback = RetryHeartbeatStaleTrialCallback(max_retry=params.retries)

    def put_back(study: optuna.Study, trial: FrozenTrial) -> None:
        trial.user_attrs = {}
        callback(study, trial)

    return put_back


def _storage(location: StudyLocation, params: TuningParams) -> RDBStorage:
    sqlite = location.url.startswith("sqlite")
    secret = {} if location.password is None else {"password": location.password}
    engine = {"connect_args": _SQLITE} if sqlite else {"connect_args": secret, "pool_pre_ping": True}
    if sqlite:
        folder = Path(location.url.removeprefix("sqlite:///")).parent
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    for pause_s in (*_PAUSES_S, None):
        try:
            with _quiet():
                return RDBStorage(
                    location.url,
                    engine_kwargs=engine,
                    heartbeat_interval=params.heartbeat_s,
                    grace_period=params.grace_s,
                    heartbeat_stale_trial_callback=_again(params),
                )
        except (SQLAlchemyError, ImportError) as error:
            if pause_s is None or isinstance(error, ImportError):
                raise TuningError(_problem(location, error)) from error
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's messages on standard error; merflow prints its own."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


@contextmanager
def database_errors(location: StudyLocation) -> Iterator[None]:
    """Turn a database's errors into a :class:`TuningError`."""
    try:
        with _quiet():
            yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise TuningError(_problem(location, error)) from error


def _problem(location: StudyLocation, error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{location} needs a driver ({error}); pip install 'merflow[postgres]'"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"cannot use {location}: {masked(lines[0])}; check tuning.storage (--storage), the password in PGPASSWORD or "
        "~/.pgpass, and that the server takes connections"
    )


def _subject_of(study: optuna.Study, location: StudyLocation) -> dict[str, Any]:
    """Read the recorded subject; a process that is just creating the study writes it within seconds."""
    for pause_s in (*_PAUSES_S, None):
        if _SUBJECT in study.user_attrs:
            recorded: dict[str, Any] = study.user_attrs[_SUBJECT]
            return recorded
        if pause_s is not None:
            time.sleep(pause_s)
    raise TuningError(f"{location} was not made by this version of merflow; choose another name with --study")


def _refuse_other(location: StudyLocation, *, recorded: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    before, now = _flat(recorded), _flat(expected)
    lines = [
        f"  {key}: {before.get(key, 'nothing')} in the study, {now.get(key, 'nothing')} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key, "nothing") != now.get(key, "nothing")
    ]
    if lines:
        raise TuningError(
            "\n".join([f"{location} has another subject; choose another folder (--out) or name (--study)", *lines])
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat

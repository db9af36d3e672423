"""MLflow's SQLite file, which is complete or absent.

MLflow builds a database in about a hundred steps and cannot resume halfway. So the database is built next to its path
and then moved there. A killed process leaves nothing that the next one has to repair.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from merflow.errors import TrackingError
from merflow.storage.local import replacing

_IDLE_S = 5.0  # MLflow writes to a file that it builds several times per second
_CHECK_S = 0.2


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep other processes of this machine out of a section.

    Raises:
        TrackingError: The lock's file cannot be opened.
    """
    lock = database.with_name(f"{database.name}.lock")
    try:
        handle = lock.open("w")
    except OSError as error:
        raise TrackingError(f"cannot lock MLflow's database with {lock}: {error.strerror}") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def ensure_database(database: Path) -> None:
    """Build MLflow's database unless it exists. Replace one that is incomplete because MLflow was killed.

    Raises:
        TrackingError: The lock's file cannot be opened.
        OutputError: The file cannot be written.
    """
    if is_complete(database):
        return
    with locked(database):
        while not (complete := is_complete(database)) and _idle_s(database) < _IDLE_S:
            time.sleep(_CHECK_S)  # an MLflow server may be building it
        if complete:
            return
        try:
            with replacing(database) as part:
                _build(part, artifacts=database.parent / "mlruns")
        finally:
            for leftover in database.parent.glob(f".{database.name}.*.part*"):  # with journals, and of killed processes
                leftover.unlink(missing_ok=True)


def is_complete(database: Path) -> bool:
    """Return True if MLflow has built the file, or if MLflow should report what is wrong with it.

    The last step of the building is an experiment named Default. A database without any experiment or model has no
    content.
    """
    if not database.is_file():
        return False
    try:
        # Not read-only: what a killed process has left in the journal is first rolled back.
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=rw", uri=True, timeout=20)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            contents = [table for table in ("experiments", "registered_models") if table in tables]
            return any(connection.execute(f"SELECT EXISTS (SELECT 1 FROM {name})").fetchone()[0] for name in contents)
    except sqlite3.Error:
        return True


def _idle_s(database: Path) -> float:
    """Return the time since the file was last written; infinity if there is none, or it is empty."""
    try:
        status = database.stat()
    except FileNotFoundError:
        return float("inf")
    return time.time() - status.st_mtime if status.st_size else float("inf")


def _build(part: Path, *, artifacts: Path) -> None:
    """Let MLflow build its tables in a file that is not in use yet."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _unsynchronized(part):
            SqlAlchemyStore(f"sqlite:///{part}", str(artifacts)).engine.dispose()
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).partition("\n")[0]
        raise TrackingError(
            f"MLflow cannot build its database {part}: {reason}; set tracking.uri to another location, or to none"
        ) from error
    with part.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _unsynchronized(database: Path) -> Iterator[None]:
    """Keep SQLite from waiting for the disk after each of hundreds of writes; a disk may take 20 ms for each."""
    from sqlalchemy import Engine, event

    def configure(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            (_, _, file), *_ = connection.execute("PRAGMA database_list")
            if file == str(database):
                connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", configure)
    try:
        yield
    finally:
        event.remove(Engine, "connect", configure)

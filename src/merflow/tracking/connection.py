"""The MLflow client: its server or database, its timeouts, and its errors.

MLflow reads its settings from the environment. They are set when the first connection is opened, and only where the
user has set none: a tracker that is down must cost a training process seconds, not MLflow's default of minutes. Uploads
have a longer limit, because a server answers them only after it has stored the file.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from merflow.contracts.quiet_loggers import quiet
from merflow.errors import TrackingError
from merflow.storage.local import output_errors
from merflow.tracking.database import ensure_database, locked

SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"  # seconds
_URI = "MLFLOW_TRACKING_URI"
_UPLOAD_TIMEOUT_S = 600
_IN_PARTS = "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"
_LARGE = "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"  # bytes
_UPLOADS = ("log_artifact", "log_artifacts", "log_figure", "log_text")
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    _TIMEOUT: "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    # Large files are uploaded in parts directly to the object store, if the server's store supports that.
    _IN_PARTS: "true",
    _LARGE: str(100 * 1024**2),
    # Downloads go through the server: its object store may have an address that only the cluster knows, which MLflow
    # would try to reach for minutes.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
}
# SQLite already waits 20 s for a lock before it gives up; these pauses come on top.
_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
# urllib3 warns of every retry here; the caller reports the last failure once.
_RETRIES = "urllib3.connectionpool"
# MLflow adds a dataset that it does not have; of two processes that do so at once, one gets such an error.
_DUPLICATE = ("UNIQUE constraint failed", "duplicate key", "Duplicate entry")


def tracking_uri(setting: str, *, folder: Path) -> str | None:
    """Return the URI that ``tracking.uri`` of ``params.yaml`` means.

    Args:
        setting: ``auto`` for SQLite in the folder, ``none`` for no tracking, or a URI.
        folder: Output folder of the benchmark.

    Returns:
        A URI for :class:`Connection`, or None for no tracking.

    Raises:
        TrackingError: MLflow cannot track at the URI.
    """
    if setting == "none":
        return None
    if setting == "auto":
        return f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    return checked_uri(setting)


def checked_uri(uri: str) -> str:
    """Return the URI unchanged.

    Raises:
        TrackingError: It is a folder, or has a scheme that MLflow has no store for.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if scheme not in SCHEMES:
        raise TrackingError(
            f"tracking.uri {uri!r} is not a tracking server or database; use http://HOST:PORT, "
            "sqlite:////absolute/path/mlflow.db, auto or none"
        )
    return uri


class Connection:
    """One tracking server or database.

    Attributes:
        uri: URI of the server or database.
        database: The SQLite file behind it; None for anything else.
    """

    def __init__(self, uri: str) -> None:
        self.uri = checked_uri(uri)
        self.database = Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None
        if self.database is not None:
            with output_errors(self.database.parent):
                self.database.parent.mkdir(parents=True, exist_ok=True)
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow  # noqa: F401 - fail before anything is trained
            import psutil  # noqa: F401 - likewise
        except ModuleNotFoundError as error:
            raise TrackingError(
                f"tracking needs {error.name}, which is not installed; pip install 'merflow[tracking]', "
                "or set tracking.uri to none"
            ) from error
        self._client: Any = None

    @property
    def shown_uri(self) -> str:
        """The URI without its password."""
        return _without_password(self.uri, uri=self.uri)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any arguments of MLflow's client
        """Call a method of the client; retry if another process got in the way.

        Raises:
            TrackingError: The server or database cannot be reached, refuses, or is not an MLflow server.
        """
        from mlflow.exceptions import MlflowException

        for pause_s in (*_PAUSES_S, None):
            try:
                with quiet(_RETRIES), _patience(method):
                    return getattr(self._opened(), method)(*args, **kwargs)
            except (MlflowException, *_database_errors(), OSError, ValueError, ModuleNotFoundError) as error:
                if method in _UPLOADS and _went_in_parts(*args):
                    os.environ[_IN_PARTS] = "false"  # the object store may be out of reach from here
                    continue
                if pause_s is None or not _is_temporary(method, error):
                    raise self._failed(method, error) from error
                time.sleep(pause_s)
        raise AssertionError("the last try returns or raises")  # _went_in_parts is true only once

    @contextmanager
    def as_current(self, method: str) -> Iterator[None]:
        """Make MLflow's module-level functions, which take no address, use this server or database in the block.

        Args:
            method: The client's method that matches the block, for its time limit and for errors.

        Raises:
            TrackingError: The server or database cannot be reached, or refuses.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.tracking._tracking_service.utils import _use_tracking_uri

        self._opened()
        before = os.environ.get(_URI)
        try:
            with quiet(_RETRIES), _patience(method), _use_tracking_uri(self.uri):
                yield
        except (MlflowException, *_database_errors(), OSError) as error:
            raise self._failed(method, error) from error
        finally:
            if before is None:
                os.environ.pop(_URI, None)
            else:
                os.environ[_URI] = before

    def _failed(self, method: str, error: Exception) -> TrackingError:
        what = f"MLflow at {self.uri} failed to {method.replace('_', ' ')}: {_first_line(error)}"
        return TrackingError(_without_password(what, uri=self.uri))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes of this machine out while a run is looked up or created; without SQLite, do nothing."""
        if self.database is None:
            yield
            return
        ensure_database(self.database)  # it takes the lock itself
        with locked(self.database):
            yield

    def _opened(self) -> Any:  # noqa: ANN401 - mlflow's client
        from mlflow import MlflowClient

        if self._client is None:
            if self.database is not None:
                ensure_database(self.database)
            self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        return self._client


def _database_errors() -> tuple[type[Exception], ...]:
    """Return the errors of a database that MLflow opens itself; none if only MLflow's skinny client is installed."""
    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError:
        return ()
    return (SQLAlchemyError,)


@contextmanager
def _patience(method: str) -> Iterator[None]:
    """Give an upload more time than other requests, but never less than the user allows for any request."""
    before = os.environ[_TIMEOUT]
    if method in _UPLOADS:
        os.environ[_TIMEOUT] = str(max(_UPLOAD_TIMEOUT_S, int(before)))
    try:
        yield
    finally:
        os.environ[_TIMEOUT] = before


def _went_in_parts(_run_id: str, *files: object) -> bool:
    """Return True if one of these files was large enough to be uploaded in parts."""
    if os.environ[_IN_PARTS] != "true":
        return False
    paths = [Path(each) for each in files if isinstance(each, str)]
    sizes = [path.stat().st_size for root in paths for path in [root, *root.rglob("*")] if path.is_file()]
    return max(sizes, default=0) >= int(os.environ[_LARGE])


def _is_temporary(method: str, error: Exception) -> bool:
    """Return True if the same call may succeed in a moment."""
    signs = ("database is locked", *(_DUPLICATE if method == "log_inputs" else ()))
    return any(sign in str(error) for sign in signs)


def _first_line(error: Exception) -> str:
    """Return the first line of a message, which may be a whole traceback."""
    lines = str(error).strip().splitlines()
    return lines[0][:400] if lines else type(error).__name__


def _without_password(message: str, *, uri: str) -> str:
    password = urlsplit(uri).password
    return message.replace(f":{password}@", ":***@") if password else message

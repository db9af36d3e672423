"""The location of the registry, and of a version in it."""

import os
from pathlib import Path

from merflow.contracts.tracked_run import read_tracked_run
from merflow.errors import RegistryError, ServingError
from merflow.promotion.registry.registry import DEFAULT_NAME, Registry
from merflow.runs import remembered
from merflow.tracking.lookup import existing

VERSION_SCHEME = "models:/"
_VARIABLE = "MLFLOW_TRACKING_URI"


def open_registry(
    *, uri: str | None = None, folder: Path | None = None, name: str = DEFAULT_NAME, who: str | None = None
) -> Registry:
    """Return a registered model, found by a URI, a benchmark's folder, or ``MLFLOW_TRACKING_URI``, in this order.

    Args:
        uri: A tracking server or database.
        folder: The ``--out`` folder of a benchmark, whose tracking server or database is used.
        name: The registered model.
        who: Person in the audit trail; by default the current user.

    Raises:
        RegistryError: Nothing says where the registry is.
        TrackingError: MLflow is not installed, cannot track at the URI, or its file is missing.
    """
    return Registry(existing(registry_uri(uri=uri, folder=folder)), name, who=who)


def registry_uri(*, uri: str | None, folder: Path | None) -> str:
    """Return the server or database that holds the registry; see :func:`open_registry`.

    Raises:
        RegistryError: Nothing says where the registry is.
    """
    if uri:
        return uri
    if folder is not None:
        return _uri_of(folder)
    if os.environ.get(_VARIABLE):
        return os.environ[_VARIABLE]
    raise RegistryError(
        f"nothing says where the registry is; give --tracking-uri URI, set {_VARIABLE}, or name a benchmark's folder "
        "with --folder"
    )


def registry_of(location: str, *, uri: str | None, name: str = DEFAULT_NAME) -> Registry:
    """Return the registered model for a ``models:/`` or ``runs:/`` location.

    Args:
        location: The location, for the error.
        uri: A tracking server or database; None for that of ``MLFLOW_TRACKING_URI``.
        name: The registered model.

    Raises:
        RegistryError: Nothing says where the registry is.
        TrackingError: See :func:`open_registry`.
    """
    found = uri or os.environ.get(_VARIABLE)
    if not found:
        raise RegistryError(f"nothing says where {location} is; give --tracking-uri URI, or set {_VARIABLE}")
    return open_registry(uri=found, name=name)


def version_named(location: str) -> tuple[str, str]:
    """Return the name, and the alias or number, of ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Raises:
        ServingError: The location has another form.
    """
    name, at, text = location.removeprefix(VERSION_SCHEME).partition("@")
    if not at:
        name, _, text = name.partition("/")
    if not location.startswith(VERSION_SCHEME) or not name or not text or "/" in name or "/" in text:
        raise ServingError(f"{location} names no version; write models:/NAME@champion or models:/NAME/VERSION")
    return name, text


def _uri_of(folder: Path) -> str:
    runs = [read_tracked_run(each / "run.json") for each in remembered.remembered_below(folder)]
    uris = sorted({run.uri for run in runs if run.uri is not None})
    if len(uris) > 1:
        raise RegistryError(f"the benchmarks in {folder} track to {' and '.join(uris)}; choose one with --tracking-uri")
    if uris:
        return uris[0]
    if (folder / "mlflow.db").is_file():
        return f"sqlite:///{(folder / 'mlflow.db').resolve()}"
    raise RegistryError(
        f"{folder} is not a folder of a tracked benchmark: it has neither a remembered run nor an mlflow.db; pass the "
        "--out folder of `merflow benchmark`"
    )

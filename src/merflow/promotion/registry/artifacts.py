"""The files of a version: their presence, and the package among them."""

from pathlib import Path
from typing import Any

from merflow.contracts.model_package import CARD_MD, PACKAGE
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError, TrackingError
from merflow.promotion.registry.refusals import MISSING, is_refusal
from merflow.tracking.connection import Connection

_MODEL_FILE = "MLmodel"
_ARTIFACTS = "artifacts"


def has_files(connection: Connection, version: RegisteredVersion) -> bool:
    """Return True if MLflow has the files of the version's model.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    return _MODEL_FILE in _names(connection, _root(connection, version), None)


def check_files(connection: Connection, version: RegisteredVersion) -> None:
    """Raise unless MLflow has the files of the version's model.

    Raises:
        RegistryError: The logged model, or its file ``MLmodel``, is missing.
        TrackingError: The server cannot be reached or refuses.
    """
    if not has_files(connection, version):
        raise RegistryError(
            f"{version.title} has no files: MLflow lists no {_MODEL_FILE} at {version.source}; restore its artifacts, "
            "or choose another version"
        )


def package_location(connection: Connection, version: RegisteredVersion) -> str | None:
    """Return the path of the version's package within the logged model; None if it has none.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    return _package_in(connection, _root(connection, version))


def card_location(connection: Connection, version: RegisteredVersion) -> str | None:
    """Return the path of the version's card within the logged model; None if it has none.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    package = package_location(connection, version)
    card = f"{package}/{CARD_MD}"
    return card if package is not None and card in _names(connection, _root(connection, version), package) else None


def fetch_package(connection: Connection, version: RegisteredVersion, *, into: Path) -> Path:
    """Download the version's package, and return its folder.

    Raises:
        RegistryError: The version has no package, or its files are missing.
        TrackingError: The server cannot be reached or refuses.
    """
    return _downloaded(connection, _root(connection, version), _package_of(connection, version), into=into)


def fetch_package_json(connection: Connection, version: RegisteredVersion, *, into: Path) -> Path:
    """Download ``package.json`` alone, and return the folder that it is in.

    Raises:
        RegistryError: The version has no package, or its files are missing.
        TrackingError: The server cannot be reached or refuses.
    """
    package = _package_of(connection, version)
    return _downloaded(connection, _root(connection, version), f"{package}/{PACKAGE}", into=into).parent


def fetch_run_package(connection: Connection, run_id: str, *, into: Path, name: str = "") -> Path:
    """Download the newest package that was logged on a run, and return its folder.

    Args:
        connection: The server or database.
        run_id: MLflow's id of a variant's run.
        into: Folder for the package.
        name: Name of the logged model; empty for any.

    Raises:
        RegistryError: The run has no such package.
        TrackingError: The server cannot be reached or refuses, or has no such run.
    """
    experiment = connection.call("get_run", run_id).info.experiment_id
    models = connection.call("search_logged_models", [experiment], f"source_run_id = '{run_id}'")
    ready = [each for each in models if str(each.status.value) == "READY" and name in ("", each.name)]
    for model in sorted(ready, key=lambda each: -each.creation_timestamp):
        root = str(model.artifact_location)
        package = _package_in(connection, root)
        if package is not None:
            return _downloaded(connection, root, package, into=into)
    raise RegistryError(
        f"run {run_id} has no model package{f' {name!r}' if name else ''} in MLflow at {connection.shown_uri}; name "
        "the run of a fold, or of a variant that was registered"
    )


def _package_of(connection: Connection, version: RegisteredVersion) -> str:
    check_files(connection, version)
    package = package_location(connection, version)
    if package is None:
        raise RegistryError(
            f"{version.title} has no package: there is no {PACKAGE} among its artifacts; register the model with "
            "merflow registry register"
        )
    return package


def _package_in(connection: Connection, root: str) -> str | None:
    """Return the path of the package within a logged model; None if it has none."""
    for folder in sorted(_names(connection, root, _ARTIFACTS)):
        if PACKAGE in {name.rpartition("/")[2] for name in _names(connection, root, folder)}:
            return folder
    return None


def _downloaded(connection: Connection, root: str, folder: str, *, into: Path) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    return Path(_artifacts(connection, "download_artifacts", f"{root.rstrip('/')}/{folder}", dst_path=str(into)))


def _names(connection: Connection, root: str, folder: str | None) -> set[str]:
    """Return the paths of files and folders in a logged model's folder; none if it is missing."""
    if not root:
        return set()
    try:
        listed = _artifacts(connection, "list_artifacts", f"{root.rstrip('/')}/{folder}" if folder else root)
    except TrackingError as error:
        if is_refusal(error, MISSING):
            return set()
        raise
    prefix = f"{folder}/" if folder else ""
    return {prefix + str(each.path).rpartition("/")[2] for each in listed}


def _root(connection: Connection, version: RegisteredVersion) -> str:
    """Return the location of the version's model; empty if it is missing."""
    try:
        return str(connection.call("get_model_version_download_uri", version.name, str(version.version)))
    except TrackingError as error:
        if is_refusal(error, MISSING):
            return ""
        raise


def _artifacts(connection: Connection, method: str, uri: str, **options: str) -> Any:  # noqa: ANN401 - as MLflow's
    """Call a function of ``mlflow.artifacts``; unlike the client, it can access an artifact by its own address."""
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    try:
        return getattr(mlflow.artifacts, method)(artifact_uri=uri, tracking_uri=connection.uri, **options)
    except (MlflowException, OSError) as error:
        what = f"MLflow at {connection.shown_uri} failed to {method.replace('_', ' ')} of {uri}: {error}"
        raise TrackingError(what.partition("\n")[0]) from error

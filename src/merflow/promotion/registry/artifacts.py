"""The files of a version: whether they are all there, and the package among them."""

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
    return _MODEL_FILE in _names(connection, version, None)


def check_files(connection: Connection, version: RegisteredVersion) -> None:
    """Raise unless MLflow has the files of the version's model.

    Raises:
        RegistryError: The logged model, or its file ``MLmodel``, is gone.
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
    for folder in sorted(_names(connection, version, _ARTIFACTS)):
        if PACKAGE in {name.rpartition("/")[2] for name in _names(connection, version, folder)}:
            return folder
    return None


def card_location(connection: Connection, version: RegisteredVersion) -> str | None:
    """Return the path of the version's card within the logged model; None if it has none.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    package = package_location(connection, version)
    card = f"{package}/{CARD_MD}"
    return card if package is not None and card in _names(connection, version, package) else None


def fetch_package(connection: Connection, version: RegisteredVersion, *, into: Path) -> Path:
    """Download the version's package, and return its folder.

    Raises:
        RegistryError: The version has no package, or its files are gone.
        TrackingError: The server cannot be reached or refuses.
    """
    check_files(connection, version)
    package = package_location(connection, version)
    if package is None:
        raise RegistryError(
            f"{version.title} has no package: there is no {PACKAGE} among its artifacts; register the model with "
            "merflow registry register"
        )
    into.mkdir(parents=True, exist_ok=True)
    root = _download_uri(connection, version)
    return Path(_artifacts(connection, "download_artifacts", f"{root.rstrip('/')}/{package}", dst_path=str(into)))


def _names(connection: Connection, version: RegisteredVersion, folder: str | None) -> set[str]:
    """Return the paths of files and folders in a folder of the logged model; none if it is gone."""
    try:
        root = _download_uri(connection, version)
        listed = _artifacts(connection, "list_artifacts", f"{root.rstrip('/')}/{folder}" if folder else root)
    except TrackingError as error:
        if is_refusal(error, MISSING):
            return set()
        raise
    prefix = f"{folder}/" if folder else ""
    return {prefix + str(each.path).rpartition("/")[2] for each in listed}


def _download_uri(connection: Connection, version: RegisteredVersion) -> str:
    return str(connection.call("get_model_version_download_uri", version.name, str(version.version)))


def _artifacts(connection: Connection, method: str, uri: str, **options: str) -> Any:  # noqa: ANN401 - as MLflow's
    """Call a function of ``mlflow.artifacts``; it has what the client lacks, an artifact by its own address."""
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    try:
        return getattr(mlflow.artifacts, method)(artifact_uri=uri, tracking_uri=connection.uri, **options)
    except (MlflowException, OSError) as error:
        what = f"MLflow at {connection.shown_uri} failed to {method.replace('_', ' ')} of {uri}: {error}"
        raise TrackingError(what.partition("\n")[0]) from error

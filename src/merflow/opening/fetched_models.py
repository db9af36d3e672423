"""Models from MLflow, downloaded once into the user's cache; cached models are checked before they are used again."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from merflow.contracts.fold_record import read_fold_record
from merflow.contracts.model_package import PACKAGE, read_package
from merflow.contracts.package_files import check_files
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import MerflowError, ServingError
from merflow.promotion.registry.artifacts import fetch_package, fetch_run_package
from merflow.promotion.registry.registry import Registry
from merflow.runs.fold_folder import MODEL
from merflow.storage.local import digest, replacing_folder
from merflow.tracking.connection import Connection
from merflow.tracking.lookup import is_run, run_of


def fetched_version(registry: Registry, text: str) -> tuple[RegisteredVersion, Path]:
    """Return the version with a number or an alias, and its package on this machine.

    Raises:
        RegistryError: There is no such version, merflow did not register it, or its files are missing.
        TrackingError: The server cannot be reached or refuses.
        OutputError: The cache cannot be written.
    """
    version = registry.usable(text)
    of_version = {"uri": registry.connection.uri, "source": version.source, "made": version.created_at}
    package = _cached(
        {**of_version, "name": version.name, "version": version.version},
        lambda folder: fetch_package(registry.connection, version, into=folder),
    )
    return version, package


def fetched_run(connection: Connection, run_id: str, *, name: str = "") -> Path:
    """Return the model folder of a fold's run, or the package of a variant's run, on this machine.

    Args:
        connection: The server or database.
        run_id: MLflow's id of the run.
        name: Name of the logged model; empty for the newest.

    Raises:
        ServingError: It is not the id of a run.
        RegistryError: The run has no package.
        TrackingError: There is no such run, or the server cannot be reached or refuses.
        OutputError: The cache cannot be written.
    """
    if not is_run(run_id):
        raise ServingError(f"runs:/{run_id} names no run; copy the id of 32 hexadecimal digits from the run's page")
    run = run_of(connection, run_id)
    asked = {"uri": connection.uri, "run": run_id}
    if run.kind == "fold":
        return _cached(
            asked,
            lambda folder: Path(connection.call("download_artifacts", run_id, MODEL, str(folder))),
        )
    return _cached(
        {**asked, "name": name}, lambda folder: fetch_run_package(connection, run_id, into=folder, name=name)
    )


def _cached(what: Mapping[str, object], fetch: Callable[[Path], Path]) -> Path:
    """Return a model that was downloaded before and is intact; otherwise download it."""
    folder = _cache() / digest(dict(what))
    inside = next((path for path in folder.iterdir() if path.is_dir()), None) if folder.is_dir() else None
    if inside is not None and _is_whole(inside):
        return inside
    with replacing_folder(folder) as part:
        inside = fetch(part)
        name = inside.name
        if inside.parent != part:  # MLflow keeps the parent folders
            shutil.move(inside, part / name)
            for path in part.iterdir():
                if path.name != name:
                    shutil.rmtree(path)
    return folder / name


def _is_whole(folder: Path) -> bool:
    try:
        if (folder / PACKAGE).is_file():
            check_files(folder, read_package(folder))
        else:
            read_fold_record(folder)
    except MerflowError:
        return False
    return True


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "merflow" / "models"

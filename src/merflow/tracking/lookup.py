"""Runs and registered models that are there already, by the names that people give them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merflow.errors import TrackingError
from merflow.tracking.connection import Connection
from merflow.tracking.runs import BENCHMARK_TAG, KIND_TAG, find_runs

_MODEL = re.compile(r"(?:models:/)?(?P<name>[^/@:]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")
_RUN = re.compile(r"[0-9a-f]{32}")
_MISSING = re.compile(r"RESOURCE_DOES_NOT_EXIST|not found|does not exist|No such artifact|INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Tracked:
    """One run.

    Attributes:
        experiment: MLflow's experiment id.
        tags: All of them.
    """

    run_id: str
    name: str
    experiment: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """``fold``, ``benchmark`` and so on; empty for a run that merflow did not make."""
        return self.tags.get(KIND_TAG, "")


@dataclass(frozen=True)
class Version:
    """One version of a registered model, and the run that it comes from."""

    name: str
    version: str
    aliases: tuple[str, ...]
    run_id: str


def is_run(text: str) -> bool:
    """Whether the text has the form of a run's id."""
    return bool(_RUN.fullmatch(text))


def is_version(text: str) -> bool:
    """Whether the text has the form of a model version: ``models:/name/3``, ``name/3``, ``name@alias``."""
    return bool(_MODEL.fullmatch(text))


def existing(uri: str) -> Connection:
    """A connection to what is there; a SQLite file that is not is no new database.

    Raises:
        TrackingError: MLflow is not installed, the URI is none, or the file is missing.
    """
    database = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    if uri.startswith("sqlite:///") and not database.is_file():
        raise TrackingError(f"no such file: {database}; name the mlflow.db of the benchmark's folder, or a server")
    return Connection(uri)


def run_of(connection: Connection, run_id: str) -> Tracked:
    """The run of this id.

    Raises:
        TrackingError: There is none, or the server cannot be reached.
    """
    try:
        return _tracked(connection.call("get_run", run_id))
    except TrackingError as error:
        if _MISSING.search(str(error)):
            raise TrackingError(f"no run {run_id} in MLflow at {connection.uri}; look for its id there") from error
        raise


def version_of(connection: Connection, text: str) -> Version:
    """The version that a text names, see :func:`is_version`.

    Raises:
        TrackingError: There is none, it comes from no run, or the server cannot be reached.
    """
    named = _MODEL.fullmatch(text)
    assert named, text
    try:
        found = (
            connection.call("get_model_version", named["name"], named["version"])
            if named["version"]
            else connection.call("get_model_version_by_alias", named["name"], named["alias"])
        )
    except TrackingError as error:
        if _MISSING.search(str(error)):
            known = ", ".join(sorted(model.name for model in connection.call("search_registered_models")))
            raise TrackingError(
                f"no model version {text!r} in MLflow at {connection.uri}; registered models: {known or 'none'}"
            ) from error
        raise
    if not found.run_id:
        raise TrackingError(f"model version {text!r} was registered without its run: what made it is not on record")
    return Version(str(found.name), str(found.version), tuple(found.aliases), str(found.run_id))


def fold_runs(connection: Connection, run: Tracked) -> list[Tracked]:
    """The run itself where it is a fold's, else the folds of its benchmark, or of the variant that it is of.

    Raises:
        TrackingError: The run is none of merflow's, or the server cannot be reached.
    """
    if run.kind == "fold":
        return [run]
    if BENCHMARK_TAG not in run.tags:
        raise TrackingError(f"run {run.run_id} ({run.name}) is none of merflow's: it has no tag {BENCHMARK_TAG}")
    tags = {BENCHMARK_TAG: run.tags[BENCHMARK_TAG], KIND_TAG: "fold"}
    if "variant" in run.tags:
        tags["variant"] = run.tags["variant"]
    return [_tracked(each) for each in find_runs(connection, run.experiment, tags)]


def fetch(connection: Connection, run: Tracked, file: str, *, into: Path) -> Path | None:
    """An artifact of the run; None where it has none of this name.

    Raises:
        TrackingError: The server cannot be reached.
    """
    folder, _, _ = file.rpartition("/")
    listed = connection.call("list_artifacts", run.run_id, folder or None)
    if file not in {each.path for each in listed}:
        return None
    into.mkdir(parents=True, exist_ok=True)
    return Path(connection.call("download_artifacts", run.run_id, file, str(into)))


def _tracked(run: Any) -> Tracked:  # noqa: ANN401 - mlflow's Run
    return Tracked(str(run.info.run_id), str(run.info.run_name), str(run.info.experiment_id), dict(run.data.tags))

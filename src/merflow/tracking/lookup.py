"""Lookup of existing runs and registered models by the names that users give them."""

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
    """One run of MLflow.

    Attributes:
        experiment: MLflow's experiment id.
        tags: All tags of the run.
    """

    run_id: str
    name: str
    experiment: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Kind of run, ``fold`` or ``benchmark`` for example; empty for a run that merflow did not make."""
        return self.tags.get(KIND_TAG, "")


@dataclass(frozen=True)
class Version:
    """One version of a registered model, and the run that it comes from."""

    name: str
    version: str
    aliases: tuple[str, ...]
    run_id: str


def is_run(text: str) -> bool:
    """Return True if the text has the form of a run's id."""
    return bool(_RUN.fullmatch(text))


def is_version(text: str) -> bool:
    """Return True if the text has the form of a model version: ``models:/name/3``, ``name/3``, ``name@alias``."""
    return bool(_MODEL.fullmatch(text))


def existing(uri: str) -> Connection:
    """Connect to an existing server or database; unlike :class:`Connection`, make no new SQLite file.

    Raises:
        TrackingError: MLflow is not installed, cannot track at the URI, or the file is missing.
    """
    database = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    if uri.startswith("sqlite:///") and not database.is_file():
        raise TrackingError(f"no such file: {database}; name the mlflow.db in the benchmark's folder, or a server")
    return Connection(uri)


def run_of(connection: Connection, run_id: str) -> Tracked:
    """Return the run with this id.

    Raises:
        TrackingError: No run has it, or the server cannot be reached.
    """
    try:
        return _tracked(connection.call("get_run", run_id))
    except TrackingError as error:
        if _MISSING.search(str(error)):
            raise TrackingError(
                f"no run {run_id} in MLflow at {connection.uri}; copy the id from the run's page"
            ) from error
        raise


def version_of(connection: Connection, text: str) -> Version:
    """Return the model version that a text names, see :func:`is_version`.

    Raises:
        TrackingError: There is no such version, it does not come from a run, or the server cannot be reached.
    """
    named = _MODEL.fullmatch(text)
    assert named, text
    try:
        version = (
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
    if not version.run_id:
        raise TrackingError(
            f"model version {text!r} was registered without its run, so its training is unknown; register a run's model"
        )
    return Version(str(version.name), str(version.version), tuple(version.aliases), str(version.run_id))


def fold_runs(connection: Connection, run: Tracked) -> list[Tracked]:
    """Return the run itself if it is a fold's, else the runs of all folds of its benchmark or variant.

    Raises:
        TrackingError: merflow did not make the run, or the server cannot be reached.
    """
    if run.kind == "fold":
        return [run]
    if BENCHMARK_TAG not in run.tags:
        raise TrackingError(
            f"run {run.run_id} ({run.name}) was not made by merflow: it has no tag {BENCHMARK_TAG}; name another run"
        )
    tags = {BENCHMARK_TAG: run.tags[BENCHMARK_TAG], KIND_TAG: "fold"}
    if "variant" in run.tags:
        tags["variant"] = run.tags["variant"]
    return [_tracked(each) for each in find_runs(connection, run.experiment, tags)]


def fetch(connection: Connection, run: Tracked, file: str, *, into: Path) -> Path | None:
    """Download an artifact of the run; return None if the run has no such artifact.

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

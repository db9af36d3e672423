"""The connection to MLflow: its URI, and the errors of what it cannot reach."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from merflow.errors import OutputError, TrackingError
from merflow.tracking.connection import Connection, tracking_uri


def test_settings_are_resolved_to_uris(tmp_path: Path) -> None:
    assert tracking_uri("none", folder=tmp_path) is None
    assert tracking_uri("auto", folder=tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri("http://mlflow:5000", folder=tmp_path) == "http://mlflow:5000"
    assert tracking_uri("postgresql+psycopg://u:p@db/x", folder=tmp_path) == "postgresql+psycopg://u:p@db/x"


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "/tmp/mlflow.db", "mlflow:5000", "htp://x", ""])
def test_uris_that_mlflow_cannot_track_to_are_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="is not a tracking server or database; use http"):
        tracking_uri(uri, folder=tmp_path)


def test_a_database_below_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file/deep"):
        Connection(f"sqlite:///{tmp_path}/file/deep/mlflow.db")


def test_passwords_stay_out_of_messages() -> None:
    connection = Connection("http://someone:secret@127.0.0.1:9")
    with pytest.raises(TrackingError, match=r"http://someone:\*\*\*@127.0.0.1:9") as error:
        connection.call("get_experiment_by_name", "x")
    assert "secret" not in str(error.value)


def test_without_mlflow_the_extra_is_named(tmp_path: Path) -> None:
    """Run in a new process in which MLflow cannot be imported; importing the package works anyway."""
    code = (
        "import sys; sys.modules['mlflow'] = None\n"
        "from merflow.errors import TrackingError\n"
        "from merflow.contracts.tracked_run import TrackedRun\n"
        "from merflow.tracking.mlflow_runs import open_benchmark\n"
        "try:\n"
        "    open_benchmark(TrackedRun(experiment='e', name='n', benchmark_id='b', tags={}, params={}, workspace='', "
        f"system_metrics_every_s=0, uri='sqlite:///{tmp_path}/mlflow.db'))\n"
        "except TrackingError as error:\n"
        "    sys.stdout.write(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install 'merflow[tracking]'" in done.stdout


def test_importing_the_room_loads_no_mlflow_and_sets_nothing() -> None:
    code = (
        "import os, sys; before = dict(os.environ)\n"
        "import merflow.tracking.mlflow_runs\n"
        "assert 'mlflow' not in sys.modules; assert before == dict(os.environ)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class AddedTwice:
    """A client whose first call collides with what another process has just added."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def log_inputs(self) -> None:
        self._meet("log_inputs")

    def create_experiment(self) -> None:
        self._meet("create_experiment")

    def _meet(self, method: str) -> None:
        self.calls.append(method)
        if self.calls.count(method) == 1:
            raise MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id")


def test_a_dataset_that_another_process_adds_at_the_same_moment_is_found_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, client = Connection(f"sqlite:///{tmp_path}/mlflow.db"), AddedTwice()
    monkeypatch.setattr(connection, "_client", client)
    connection.call("log_inputs")
    assert client.calls == ["log_inputs"] * 2
    with pytest.raises(TrackingError, match="failed to create experiment"):
        connection.call("create_experiment")


def test_a_server_is_reached_without_the_packages_of_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image that serves has MLflow's small client, which brings no SQLAlchemy."""
    monkeypatch.setitem(sys.modules, "sqlalchemy.exc", None)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="failed to get run"):
        Connection("http://127.0.0.1:9").call("get_run", "0" * 32)

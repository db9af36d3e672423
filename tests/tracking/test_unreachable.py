"""Training while MLflow cannot be used."""

import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from merflow.errors import TrackingError
from tests.contracts.records import planned_fold
from tests.tracking.recorded import benchmark_at, fold_folder, opened, train


class _NoMlflow(BaseHTTPRequestHandler):
    """A web server that is something else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    do_POST = do_GET  # noqa: N815 - the name that http.server asks for

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def other_server() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _NoMlflow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _survives(uri: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        benchmark = benchmark_at(uri, "unreachable")
        started = time.perf_counter()
        with benchmark.fold(planned_fold()) as fold:
            train(fold, epochs=range(1, 31), folder=folder)
        assert time.perf_counter() - started < 20
        assert fold.run_id is None
        with pytest.raises(TrackingError, match=f"MLflow at {uri} failed to"):
            benchmark.open()
    of_fold = [
        record
        for record in caplog.records
        if "fold 3 of context-mmt:mmt-frozen is no longer tracked" in record.getMessage()
    ]
    assert len(of_fold) == 1
    assert uri in of_fold[0].getMessage()


def test_training_continues_without_a_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    _survives("http://127.0.0.1:9", fold_folder(tmp_path / "fold", epochs=30), caplog)


def test_training_continues_where_the_server_is_not_mlflow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, other_server: str
) -> None:
    _survives(other_server, fold_folder(tmp_path / "fold", epochs=30), caplog)


def test_training_continues_where_the_database_is_garbled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    _survives(f"sqlite:///{tmp_path / 'mlflow.db'}", fold_folder(tmp_path / "fold", epochs=30), caplog)


def test_a_deleted_experiment_is_named(tmp_path: Path, benchmark_id: str) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    opened(uri, benchmark_id)
    client = MlflowClient(uri)
    client.delete_experiment(client.get_experiment_by_name("merflow").experiment_id)
    with pytest.raises(TrackingError, match="experiment 'merflow' was deleted in MLflow; restore it"):
        opened(uri, benchmark_id)

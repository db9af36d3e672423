import json
import logging
import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import matplotlib.figure
import pytest
from mlflow import MlflowClient

from merflow.contracts.tracker import Tracker
from merflow.tracking.facts import FoldFacts
from merflow.tracking.fold_run import FoldRun
from merflow.tracking.mlflow_runs import BenchmarkRun, open_benchmark


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'deep' / 'mlflow.db'}"


@pytest.fixture
def benchmark_id(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def opened(uri: str, benchmark_id: str) -> BenchmarkRun:
    return open_benchmark(
        uri,
        experiment="merflow",
        name="emodb session-5fold",
        benchmark_id=benchmark_id,
        tags={"corpus": "emodb", "split_id": "1" * 16},
        params={"training": {"seed": 0, "device": "cpu"}, "corpus": {"taxonomy": "iemocap4"}},
        artifact_root=None,
    )


def facts(fold: int = 3, **changes: Any) -> FoldFacts:  # noqa: ANN401 - any field
    values: dict[str, Any] = {
        "variant": "context-mmt:mmt-frozen",
        "fold": fold,
        "seed": 0,
        "fingerprint": "f" * 16,
        "corpus": "emodb",
        "manifest_hash": "a" * 16,
        "split_id": "b" * 16,
        "protocol": "session-5fold",
        "selection": "lowest dev_loss",
        "promotable": True,
        "git_commit": "c" * 40,
        "params": {"recipe": {"lr": 1e-4, "batch_size": 32}, "inputs": ["audio", "text"]},
    }
    return FoldFacts(**{**values, **changes})


def fold_of(benchmark: BenchmarkRun, facts: FoldFacts) -> FoldRun:
    return benchmark.fold(facts, system_metrics_every_s=0)


def figures_of(epoch: int) -> dict[str, float]:
    return {"train_loss": 1 / epoch, "dev_loss": 2 / epoch, "dev_ua": 1 - 1 / epoch, "seconds": time.perf_counter()}


def fold_folder(folder: Path, *, epochs: int) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "card.json").write_text("{}")
    (folder / "predictions.parquet").write_bytes(b"rows")
    (folder / "checkpoint.safetensors").write_bytes(b"state")
    rows = [{"epoch": epoch, **figures_of(epoch)} for epoch in range(1, epochs + 1)]
    (folder / "history.json").write_text(json.dumps(rows))
    return folder


def train(tracker: Tracker, *, epochs: range, folder: Path | None = None) -> None:
    for epoch in epochs:
        tracker.log_metrics(figures_of(epoch), epoch=epoch)
    if folder is not None:
        tracker.log_folder(folder)


def runs(uri: str, benchmark_id: str, kind: str = "fold") -> list[Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("merflow")
    assert experiment is not None
    found = client.search_runs(
        [experiment.experiment_id], f"tags.`merflow.benchmark_id` = '{benchmark_id}' and tags.`merflow.kind` = '{kind}'"
    )
    return sorted(found, key=lambda run: str(run.info.run_name))


def steps(uri: str, run: Any, key: str = "dev_loss") -> list[int]:  # noqa: ANN401 - mlflow's Run
    return sorted(metric.step for metric in MlflowClient(uri).get_metric_history(run.info.run_id, key))


def artifacts(uri: str, run: Any, path: str | None = None) -> set[str]:  # noqa: ANN401 - mlflow's Run
    return {item.path for item in MlflowClient(uri).list_artifacts(run.info.run_id, path)}


def test_a_fold_is_a_child_run_with_figures_files_and_identity(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id)
    with fold_of(benchmark, facts()) as fold:
        train(fold, epochs=range(1, 6), folder=fold_folder(tmp_path / "fold", epochs=5))

    (run,) = runs(uri, benchmark_id)
    assert run.info.run_name == "context-mmt:mmt-frozen fold 3"
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == benchmark.run_id
    expected = {"variant": "context-mmt:mmt-frozen", "fold": "3", "seed": "0", "protocol": "session-5fold"}
    assert expected.items() <= run.data.tags.items()
    assert run.data.tags["manifest_hash"] == "a" * 16
    assert run.data.tags["split_id"] == "b" * 16
    assert run.data.tags["selection"] == "lowest dev_loss"
    assert run.data.tags["mlflow.source.git.commit"] == "c" * 40
    assert run.data.params == {"recipe.lr": "0.0001", "recipe.batch_size": "32", "inputs": "['audio', 'text']"}
    assert run.data.metrics["dev_loss"] == pytest.approx(2 / 5)
    assert steps(uri, run) == [1, 2, 3, 4, 5]
    assert artifacts(uri, run) == {"history.json", "model", "predictions.parquet"}
    assert artifacts(uri, run, "model") == {"model/card.json"}
    inputs = {item.tags[0].value: item.dataset for item in run.inputs.dataset_inputs}
    assert inputs.keys() == {"train", "test"}
    assert inputs["train"].name == "emodb session-5fold fold 3 train"
    assert inputs["train"].digest == f"{'a' * 16}/{'b' * 16}"


def test_the_benchmark_is_one_run_however_often_it_is_opened(uri: str, benchmark_id: str) -> None:
    first = opened(uri, benchmark_id)
    first.finish("FAILED")
    assert runs(uri, benchmark_id, "benchmark")[0].info.status == "FAILED"
    again = opened(uri, benchmark_id)

    (run,) = runs(uri, benchmark_id, "benchmark")
    assert first.run_id == again.run_id == run.info.run_id
    assert run.info.status == "RUNNING"
    assert run.data.params["training.seed"] == "0"
    assert run.data.tags["corpus"] == "emodb"


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every epoch is sent at once, so that it is there when the process is gone."""
    monkeypatch.setattr("merflow.tracking.fold_run.FLUSH_S", 0.0)


@pytest.mark.usefixtures("no_delay")
def test_a_killed_fold_goes_on_in_its_run_and_logs_no_epoch_twice(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    killed = fold_of(opened(uri, benchmark_id), facts())
    train(killed, epochs=range(1, 4))
    assert runs(uri, benchmark_id)[0].info.status == "RUNNING"
    assert steps(uri, runs(uri, benchmark_id)[0]) == [1, 2, 3]

    with fold_of(opened(uri, benchmark_id), facts()) as resumed:
        train(resumed, epochs=range(1, 6), folder=fold_folder(tmp_path / "fold", epochs=5))

    (run,) = runs(uri, benchmark_id)
    assert resumed.run_id == killed.run_id == run.info.run_id
    assert run.info.status == "FINISHED"
    assert steps(uri, run) == steps(uri, run, "seconds") == [1, 2, 3, 4, 5]


def test_another_training_of_the_same_fold_takes_the_place_of_the_first(
    uri: str, benchmark_id: str, tmp_path: Path
) -> None:
    benchmark = opened(uri, benchmark_id)
    with fold_of(benchmark, facts()) as first:
        train(first, epochs=range(1, 9), folder=fold_folder(tmp_path / "first", epochs=8))
    with fold_of(benchmark, facts()) as second:
        train(second, epochs=range(1, 6), folder=fold_folder(tmp_path / "second", epochs=5))

    (run,) = runs(uri, benchmark_id)
    assert run.info.run_id != first.run_id
    assert run.info.run_id == second.run_id
    assert steps(uri, run) == [1, 2, 3, 4, 5]


def test_a_fold_from_the_cache_is_logged_from_its_files_once(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id)
    folder = fold_folder(tmp_path / "fold", epochs=4)
    for _ in range(2):
        benchmark.log_finished_fold(folder, facts(fold=1))
        (run,) = runs(uri, benchmark_id)
        assert steps(uri, run) == [1, 2, 3, 4]
        assert "predictions.parquet" in artifacts(uri, run)
        assert run.info.status == "FINISHED"


@pytest.mark.usefixtures("no_delay")
def test_a_fold_left_running_is_completed_from_its_files(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id)
    killed = fold_of(benchmark, facts())
    train(killed, epochs=range(1, 3))
    benchmark.log_finished_fold(fold_folder(tmp_path / "fold", epochs=4), facts())

    (run,) = runs(uri, benchmark_id)
    assert (run.info.run_id, run.info.status) == (killed.run_id, "FINISHED")
    assert steps(uri, run) == [1, 2, 3, 4]


def test_a_run_says_how_its_training_ended(uri: str, benchmark_id: str) -> None:
    benchmark = opened(uri, benchmark_id)
    with suppress(RuntimeError), fold_of(benchmark, facts(fold=1)) as fold:
        fold.log_metrics({"train_loss": 1.0}, epoch=1)
        raise RuntimeError
    with suppress(KeyboardInterrupt), fold_of(benchmark, facts(fold=2)):
        raise KeyboardInterrupt
    fold_of(benchmark, facts(fold=3))
    benchmark.finish("FAILED")

    assert [run.info.status for run in runs(uri, benchmark_id)] == ["FAILED", "KILLED", "KILLED"]
    assert runs(uri, benchmark_id)[0].data.metrics == {"train_loss": 1.0}
    assert runs(uri, benchmark_id, "benchmark")[0].info.status == "FAILED"


def results() -> dict[str, Any]:
    def variant(ua: float) -> dict[str, Any]:
        return {
            "UA": {"pooled": ua, "mean": ua, "std": None, "ci95": None},
            "WA": {"pooled": ua + 0.01, "mean": ua, "std": 0.02, "ci95": [ua - 0.1, ua + 0.1]},
            "macro_f1": ua,
            "weighted_f1": ua,
            "ece": 0.1,
            "over_seeds": {"UA": {"mean": ua, "std": 0.03}},
            "none_paper": {"bias": {"UA": {"pooled": 0.04}}} if ua > 0.65 else None,
            "folds": [{"fold": 3, "seed": 0, "UA": ua, "WA": ua, "macro_f1": ua, "weighted_f1": ua, "ece": 0.1}],
        }

    return {
        "corpus": "emodb",
        "protocol": "session-5fold",
        "split_id": "b" * 16,
        "variants": {"context-mmt:mmt-frozen": variant(0.7), "context-mmt:wavlm-te-frozen": variant(0.6)},
    }


def test_results_land_on_the_parent_and_on_each_fold(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id)
    with fold_of(benchmark, facts()) as fold:
        fold.log_metrics({"train_loss": 1.0}, epoch=1)
    report = tmp_path / "report.html"
    report.write_text("<!doctype html>")
    figure = matplotlib.figure.Figure()
    benchmark.log_results(results(), files=[report], figures={"confusion/context-mmt_mmt-frozen.png": figure})

    (parent,), (child,) = runs(uri, benchmark_id, "benchmark"), runs(uri, benchmark_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["context-mmt_mmt-frozen.UA"] == 0.7
    assert parent.data.metrics["context-mmt_wavlm-te-frozen.WA"] == pytest.approx(0.61)
    assert parent.data.metrics["context-mmt_mmt-frozen.UA_std_over_seeds"] == 0.03
    assert parent.data.metrics["context-mmt_mmt-frozen.none_paper_bias_UA"] == 0.04
    assert "context-mmt_wavlm-te-frozen.none_paper_bias_UA" not in parent.data.metrics
    assert parent.data.metrics["best.UA"] == 0.7
    assert "context-mmt_mmt-frozen.UA_std" not in parent.data.metrics
    assert parent.data.tags["best_variant"] == "context-mmt:mmt-frozen"
    assert "| context-mmt:mmt-frozen | 0.700 |" in parent.data.tags["mlflow.note.content"]
    assert artifacts(uri, parent) == {"report.html", "confusion"}
    assert artifacts(uri, parent, "confusion") == {"confusion/context-mmt_mmt-frozen.png"}
    assert child.data.metrics["test_UA"] == 0.7


def _train_one(uri: str, benchmark_id: str, fold: int, folder: Path) -> None:
    with fold_of(opened(uri, benchmark_id), facts(fold=fold)) as tracker:
        train(tracker, epochs=range(1, 31), folder=folder)


def test_two_processes_at_once_share_a_new_database(benchmark_id: str, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(
            target=_train_one, args=(uri, benchmark_id, fold, fold_folder(tmp_path / f"fold-{fold}", epochs=30))
        )
        for fold in (1, 2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(runs(uri, benchmark_id, "benchmark")) == 1
    found = runs(uri, benchmark_id)
    assert [run.data.tags["fold"] for run in found] == ["1", "2"]
    for run in found:
        assert run.info.status == "FINISHED"
        assert steps(uri, run) == list(range(1, 31))


def test_a_database_that_another_process_locks_for_a_while_is_waited_for(uri: str, benchmark_id: str) -> None:
    benchmark = opened(uri, benchmark_id)
    with fold_of(benchmark, facts()) as fold:
        fold.log_metrics({"train_loss": 1.0}, epoch=1)
        other = sqlite3.connect(uri.removeprefix("sqlite:///"), check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.5, other.rollback).start()

    (run,) = runs(uri, benchmark_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"train_loss": 1.0}


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
        benchmark = opened(uri, "unreachable")
        started = time.perf_counter()
        with fold_of(benchmark, facts()) as fold:
            train(fold, epochs=range(1, 31), folder=folder)
        assert time.perf_counter() - started < 20
        assert fold.run_id is None
        assert benchmark.run_id is None
    of_fold = [record for record in caplog.records if "fold 3 is no longer tracked" in record.getMessage()]
    assert len(of_fold) == 1
    assert uri in of_fold[0].getMessage()


def test_training_goes_on_without_a_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    _survives("http://127.0.0.1:9", fold_folder(tmp_path / "fold", epochs=30), caplog)


def test_training_goes_on_where_the_server_is_no_mlflow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, other_server: str
) -> None:
    _survives(other_server, fold_folder(tmp_path / "fold", epochs=30), caplog)


def test_training_goes_on_where_the_database_is_garbled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    _survives(f"sqlite:///{tmp_path / 'mlflow.db'}", fold_folder(tmp_path / "fold", epochs=30), caplog)


def test_a_deleted_experiment_is_named(tmp_path: Path, benchmark_id: str, caplog: pytest.LogCaptureFixture) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    opened(uri, benchmark_id)
    client = MlflowClient(uri)
    client.delete_experiment(client.get_experiment_by_name("merflow").experiment_id)
    with caplog.at_level(logging.WARNING):
        opened(uri, benchmark_id)

    assert "experiment 'merflow' was deleted in MLflow; restore it" in caplog.text

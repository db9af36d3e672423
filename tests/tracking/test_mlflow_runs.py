"""Runs of a benchmark and its folds in MLflow, after kills and from several processes."""

import multiprocessing
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.contracts.records import planned_fold
from tests.tracking.recorded import artifacts, fold_folder, opened, runs, steps, train


def test_a_fold_is_a_child_run_with_figures_files_and_identity(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id)
    with benchmark.fold(planned_fold()) as fold:
        train(fold, epochs=range(1, 6), folder=fold_folder(tmp_path / "fold", epochs=5))

    (run,) = runs(uri, benchmark_id)
    assert run.info.run_name == "fold 3 of context-mmt:mmt-frozen"
    assert run.info.status == "FINISHED"
    (variant,) = runs(uri, benchmark_id, "variant")
    assert run.data.tags["mlflow.parentRunId"] == variant.info.run_id
    assert variant.data.tags["mlflow.parentRunId"] == benchmark.open()
    expected = {"variant": "context-mmt:mmt-frozen", "fold": "3", "seed": "0", "protocol": "session-5fold"}
    assert expected.items() <= run.data.tags.items()
    assert run.data.tags["manifest_hash"] == "a" * 16
    assert run.data.tags["split_id"] == "b" * 16
    assert run.data.tags["selection"] == "lowest loss of one training speaker"
    assert run.data.tags["promotable"] == "true"
    assert run.data.tags["mlflow.source.git.commit"] == "c" * 40
    expected = {"recipe.lr": "0.0001", "recipe.batch_size": "32", "config.inputs": "['audio', 'text']"}
    expected |= {"model": "context-mmt", "preset": "mmt-frozen", "training.device": "cpu", "profile": "lite"}
    assert expected.items() <= variant.data.params.items()
    assert run.data.params == {**variant.data.params, "fold": "3", "seed": "0"}
    assert run.data.metrics["dev_loss"] == pytest.approx(2 / 5)
    assert steps(uri, run) == [1, 2, 3, 4, 5]
    assert artifacts(uri, run) == {"history.json", "model", "predictions.parquet"}
    assert artifacts(uri, run, "model") == {"model/fold_record.json"}
    tagged = [({tag.key: tag.value for tag in item.tags}, item.dataset) for item in run.inputs.dataset_inputs]
    inputs = {tags["mlflow.data.context"]: dataset for tags, dataset in tagged}
    assert {(tags["corpus"], tags["fold"], tags["split_id"]) for tags, _ in tagged} == {("emodb", "3", "b" * 16)}
    assert inputs.keys() == {"train", "dev", "test"}
    assert inputs["train"].name == "emodb session-5fold fold 3 train"
    assert inputs["train"].digest == f"{'a' * 16}/{'b' * 16}"
    (dataset,) = [item.dataset for item in variant.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest) == ("emodb session-5fold all folds", f"{'a' * 16}/{'b' * 16}")


def test_the_benchmark_is_one_run_however_often_it_is_opened(uri: str, benchmark_id: str) -> None:
    first = opened(uri, benchmark_id)
    first.finish("FAILED")
    assert runs(uri, benchmark_id, "benchmark")[0].info.status == "FAILED"
    again = opened(uri, benchmark_id)

    (run,) = runs(uri, benchmark_id, "benchmark")
    assert first.open() == again.open() == run.info.run_id
    assert run.info.status == "RUNNING"
    assert run.data.params["training.seed"] == "0"
    assert run.data.tags["corpus"] == "emodb"


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every epoch is sent at once, so that it is there when the process is gone."""
    monkeypatch.setattr("merflow.tracking.fold_run.FLUSH_S", 0.0)


@pytest.mark.usefixtures("no_delay")
def test_a_killed_fold_continues_in_its_run_and_logs_no_epoch_twice(
    uri: str, benchmark_id: str, tmp_path: Path
) -> None:
    killed = opened(uri, benchmark_id).fold(planned_fold())
    train(killed, epochs=range(1, 4))
    assert runs(uri, benchmark_id)[0].info.status == "RUNNING"
    assert steps(uri, runs(uri, benchmark_id)[0]) == [1, 2, 3]

    with opened(uri, benchmark_id).fold(planned_fold()) as resumed:
        train(resumed, epochs=range(1, 6), folder=fold_folder(tmp_path / "fold", epochs=5))

    (run,) = runs(uri, benchmark_id)
    assert resumed.run_id == killed.run_id == run.info.run_id
    assert run.info.status == "FINISHED"
    assert steps(uri, run) == steps(uri, run, "seconds") == [1, 2, 3, 4, 5]


def test_another_training_of_the_same_fold_takes_the_place_of_the_first(
    uri: str, benchmark_id: str, tmp_path: Path
) -> None:
    benchmark = opened(uri, benchmark_id)
    with benchmark.fold(planned_fold()) as first:
        train(first, epochs=range(1, 9), folder=fold_folder(tmp_path / "first", epochs=8))
    with benchmark.fold(planned_fold()) as second:
        train(second, epochs=range(1, 6), folder=fold_folder(tmp_path / "second", epochs=5))

    (run,) = runs(uri, benchmark_id)
    assert run.info.run_id != first.run_id
    assert run.info.run_id == second.run_id
    assert steps(uri, run) == [1, 2, 3, 4, 5]


def test_a_fold_from_the_cache_is_logged_from_its_files_once(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id)
    folder = fold_folder(tmp_path / "fold", epochs=4)
    for _ in range(2):
        benchmark.log_finished_fold(folder, planned_fold(fold=1))
        (run,) = runs(uri, benchmark_id)
        assert steps(uri, run) == [1, 2, 3, 4]
        assert "predictions.parquet" in artifacts(uri, run)
        assert run.info.status == "FINISHED"


@pytest.mark.usefixtures("no_delay")
def test_a_fold_left_running_is_completed_from_its_files(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id)
    killed = benchmark.fold(planned_fold())
    train(killed, epochs=range(1, 3))
    benchmark.log_finished_fold(fold_folder(tmp_path / "fold", epochs=4), planned_fold())

    (run,) = runs(uri, benchmark_id)
    assert (run.info.run_id, run.info.status) == (killed.run_id, "FINISHED")
    assert steps(uri, run) == [1, 2, 3, 4]


def test_a_run_says_how_its_training_ended(uri: str, benchmark_id: str) -> None:
    benchmark = opened(uri, benchmark_id)
    with suppress(RuntimeError), benchmark.fold(planned_fold(fold=1)) as fold:
        fold.log_metrics({"train_loss": 1.0}, epoch=1)
        raise RuntimeError
    with suppress(KeyboardInterrupt), benchmark.fold(planned_fold(fold=2)):
        raise KeyboardInterrupt
    benchmark.fold(planned_fold(fold=3))
    benchmark.finish("FAILED")

    assert [run.info.status for run in runs(uri, benchmark_id)] == ["FAILED", "KILLED", "KILLED"]
    assert runs(uri, benchmark_id)[0].data.metrics == {"train_loss": 1.0}
    assert runs(uri, benchmark_id, "benchmark")[0].info.status == "FAILED"


def _train_one(uri: str, benchmark_id: str, fold: int, folder: Path) -> None:
    with opened(uri, benchmark_id).fold(planned_fold(fold=fold)) as tracker:
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
    with benchmark.fold(planned_fold()) as fold:
        fold.log_metrics({"train_loss": 1.0}, epoch=1)
        other = sqlite3.connect(uri.removeprefix("sqlite:///"), check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.5, other.rollback).start()

    (run,) = runs(uri, benchmark_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"train_loss": 1.0}

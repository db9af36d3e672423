"""Runs in a pipeline, with KFP's own MLflow plugin absent, present without injecting a run, and injecting one."""

import logging
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.contracts.records import planned_fold
from tests.tracking.recorded import fold_folder, opened, runs, train


@pytest.fixture
def in_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MERFLOW_KFP_RUN_ID", "6e9b")
    monkeypatch.setenv("MERFLOW_KFP_UI", "https://kfp.example")
    monkeypatch.setenv("MERFLOW_IMAGE", "registry.example/merflow/python@sha256:" + "a" * 64)


def trained(uri: str, benchmark_id: str, folder: Path) -> Any:  # noqa: ANN401 - mlflow's Run
    """Return the run of a fold that was trained."""
    with opened(uri, benchmark_id).fold(planned_fold()) as fold:
        train(fold, epochs=range(1, 4), folder=fold_folder(folder, epochs=3))
    (run,) = runs(uri, benchmark_id)
    return run


def plugin_run(uri: str) -> str:
    """Return the id of a run as the plugin makes it for a task, in an experiment of its own."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name("KFP-Default")
    experiment = found.experiment_id if found else client.create_experiment("KFP-Default")
    return str(client.create_run(experiment, run_name="train").info.run_id)


@pytest.mark.usefixtures("in_a_pod")
def test_without_the_plugin_runs_name_the_pipeline_run_and_the_image(
    uri: str, benchmark_id: str, tmp_path: Path
) -> None:
    fold = trained(uri, benchmark_id, tmp_path / "fold")
    (benchmark,) = runs(uri, benchmark_id, "benchmark")
    for run in (fold, benchmark):
        assert run.data.tags["kfp.run_id"] == "6e9b"
        assert run.data.tags["kfp.url"] == "https://kfp.example/#/runs/details/6e9b"
        assert run.data.tags["image.digest"] == "sha256:" + "a" * 64
    assert "kfp.mlflow_run_id" not in fold.data.tags


@pytest.mark.usefixtures("in_a_pod")
def test_a_plugin_that_injects_no_run_changes_nothing(
    uri: str, benchmark_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = plugin_run(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    fold = trained(uri, benchmark_id, tmp_path / "fold")
    assert fold.info.status == "FINISHED"
    assert "merflow.run_id" not in MlflowClient(uri).get_run(theirs).data.tags


@pytest.mark.usefixtures("in_a_pod")
def test_a_run_that_the_plugin_injects_is_linked_and_left_to_the_plugin(
    uri: str, benchmark_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = plugin_run(uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", theirs)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    fold = trained(uri, benchmark_id, tmp_path / "fold")
    assert fold.info.run_id != theirs
    assert fold.data.tags["kfp.mlflow_run_id"] == theirs
    linked = MlflowClient(uri).get_run(theirs)
    assert linked.data.tags["merflow.run_id"] == fold.info.run_id
    assert linked.info.status == "RUNNING"
    assert linked.data.metrics == {}


@pytest.mark.usefixtures("in_a_pod")
def test_a_missing_run_of_the_plugin_is_only_a_warning(
    uri: str, benchmark_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with caplog.at_level(logging.WARNING):
        fold = trained(uri, benchmark_id, tmp_path / "fold")
    assert fold.info.status == "FINISHED"
    assert f"has no link to run {fold.info.run_id}" in caplog.text


@pytest.mark.usefixtures("in_a_pod")
def test_a_fold_that_continues_in_another_pipeline_run_names_that_one(
    uri: str, benchmark_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = opened(uri, benchmark_id).fold(planned_fold())
    train(interrupted, epochs=range(1, 2))
    interrupted.finish("KILLED")
    monkeypatch.setenv("MERFLOW_KFP_RUN_ID", "77aa")
    run = trained(uri, benchmark_id, tmp_path / "fold")
    assert run.data.tags["kfp.run_id"] == "77aa"

"""Runs as training writes them, and their content in MLflow afterwards."""

import json
import time
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from merflow.contracts.tracked_run import TrackedRun
from merflow.contracts.tracker import Tracker
from merflow.tracking.mlflow_runs import BenchmarkRun, open_benchmark


def benchmark_at(uri: str, benchmark_id: str, *, system_metrics_every_s: float = 0) -> BenchmarkRun:
    return open_benchmark(tracked_run(uri, benchmark_id, system_metrics_every_s=system_metrics_every_s))


def tracked_run(uri: str, benchmark_id: str, *, system_metrics_every_s: float = 0) -> TrackedRun:
    return TrackedRun(
        uri=uri,
        experiment="merflow",
        name="emodb session-5fold",
        benchmark_id=benchmark_id,
        tags={"corpus": "emodb", "split_id": "1" * 16},
        params={"training": {"seed": 0, "device": "cpu"}, "corpus": {"taxonomy": "iemocap4"}},
        workspace="/nowhere",
        system_metrics_every_s=system_metrics_every_s,
    )


def opened(uri: str, benchmark_id: str, *, system_metrics_every_s: float = 0) -> BenchmarkRun:
    benchmark = benchmark_at(uri, benchmark_id, system_metrics_every_s=system_metrics_every_s)
    benchmark.open()
    return benchmark


def figures_of(epoch: int) -> dict[str, float]:
    return {
        "stage": 1,
        "train_loss": 1 / epoch,
        "dev_loss": 2 / epoch,
        "dev_ua": 1 - 1 / epoch,
        "dev_wa": 0.5,
        "lr": 1e-4,
        "seconds": time.perf_counter(),
    }


def fold_folder(folder: Path, *, epochs: int) -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "fold_record.json").write_text("{}")
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

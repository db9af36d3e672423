"""Samples of the machine while a fold trains."""

import json
import time
from pathlib import Path

import pytest

from merflow.tracking.machine import Sampler
from tests.contracts.records import planned_fold
from tests.tracking.recorded import fold_folder, opened, runs, steps, train

MEMORY = "system/process_memory_megabytes"


def test_samples_show_a_busy_machine_and_end_with_the_sampler() -> None:
    sampler = Sampler(every_s=0.1)
    ballast = bytearray(64 * 2**20)
    ends_s = time.perf_counter() + 0.5
    while time.perf_counter() < ends_s:
        sum(range(1000))
    sampler.stop()
    rows = sampler.take()
    assert sampler.take() == []
    assert 3 <= len(rows) <= 6, "one every 0.1 s, and a last one"
    assert [time_ms for time_ms, _ in rows] == sorted(time_ms for time_ms, _ in rows)
    for _, figures in rows:
        assert 0 <= figures["system/cpu_utilization_percentage"] <= 100
        assert 0 < figures["system/system_memory_usage_percentage"] < 100
        assert figures[MEMORY] > len(ballast) / 1e6
    assert max(figures["system/cpu_utilization_percentage"] for _, figures in rows) > 10


def test_a_fold_keeps_its_samples_on_disk_and_in_mlflow(uri: str, benchmark_id: str, tmp_path: Path) -> None:
    benchmark = opened(uri, benchmark_id, system_metrics_every_s=0.05)
    folder = fold_folder(tmp_path / "fold", epochs=2)
    with benchmark.fold(planned_fold()) as fold:
        time.sleep(0.2)
        train(fold, epochs=range(1, 3), folder=folder)

    (run,) = runs(uri, benchmark_id)
    written = {row[2]: row[1] for row in json.loads((folder / "system.json").read_text()) if row[0] == MEMORY}
    assert len(written) >= 3
    assert steps(uri, run, MEMORY) == sorted(written) == list(range(len(written)))
    assert run.data.metrics[MEMORY] == pytest.approx(written[len(written) - 1])


def test_a_resumed_fold_continues_counting(uri: str, benchmark_id: str) -> None:
    benchmark = opened(uri, benchmark_id, system_metrics_every_s=60)
    for _ in range(2):
        with benchmark.fold(planned_fold()):
            pass
    (run,) = runs(uri, benchmark_id)
    assert steps(uri, run, MEMORY) == [0, 1]

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import record
from benchmarks.on_gpu import AIMS, PARTS, judged
from benchmarks.record import read_result, write_result


def test_every_aim_is_judged_from_what_was_recorded() -> None:
    assert {aim.name for aim in AIMS} < PARTS.keys()
    results = {aim.name: read_result(aim.name) for aim in AIMS}
    assert all(results.values())
    del results["trainer"]  # a CPU's tells of no GPU that is busy
    lines = judged({name: found for name, found in results.items() if found is not None})
    assert len(lines) == len(AIMS)
    assert "share of the time in which the GPU computes, at least: not measured (aim 0.85)" in lines


@pytest.mark.parametrize(("hours", "said"), [(0.2, "12.00 (met, aim 15)"), (0.3, "18.00 (MISSED, aim 15)")])
def test_less_time_is_better(hours: float, said: str) -> None:
    assert f"the whole frozen benchmark, minutes: {said}" in judged({"real_size": {"figures": {"hours": hours}}})


def test_more_speed_is_better() -> None:
    assert "Foal-Net's step, times a straightforward one: 2.60 (met, aim 2.5)" in judged(
        {"foal_net": {"figures": {"times_faster": 2.6}}}
    )


def test_a_gpus_result_is_next_to_that_of_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    written = [write_result("mfdr", {"device": device}).name for device in ("cpu", "cuda")]
    assert written == ["mfdr.json", "mfdr-gpu.json"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks.on_gpu"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "torch sees no GPU" in done.stderr


# What a bare GPU machine lacks: the readers of a corpus, the platform, the terminal.
ABSENT = ("av", "dvc", "great_expectations", "kfp", "mlflow", "optuna", "plotly", "rich", "soundfile", "soxr", "typer")

PROGRAM = f"""
import importlib.abc, runpy, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"tests"}))
def test_speed_is_measured_on_a_machine_with_torch_and_little_else(part: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *PARTS[part][0][:1], "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout

"""The number of folds that a machine trains at the same time."""

import os

import pytest

from merflow.contracts import machine
from merflow.contracts.params import Params, TrainingParams
from merflow.inference import devices
from merflow.inference.devices import processes_at_once


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "_quotas", lambda _root: iter(()))
    monkeypatch.setattr(devices, "free_memory_gib", lambda: 64.0)


def on_cpu(params: Params, **changes: int) -> TrainingParams:
    return params.training.model_copy(update={"device": "cpu", **changes})


@pytest.mark.usefixtures("eight_cores")
def test_every_fold_has_its_cores(params: Params) -> None:
    assert processes_at_once(on_cpu(params), wanted=50) == 8
    assert processes_at_once(on_cpu(params), wanted=3) == 3
    assert processes_at_once(on_cpu(params, threads=3), wanted=50) == 2
    assert processes_at_once(on_cpu(params, threads=2, devices_per_fold=2), wanted=50) == 2
    assert processes_at_once(on_cpu(params, threads=16), wanted=50) == 1


@pytest.mark.usefixtures("eight_cores")
def test_every_fold_has_its_memory(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    for free_gib, expected in ((64.0, 8), (7.0, 3), (1.0, 1), (None, 8)):
        monkeypatch.setattr(devices, "free_memory_gib", lambda free_gib=free_gib: free_gib)
        assert processes_at_once(on_cpu(params), wanted=50) == expected

"""Cores and memory as cgroups of both versions tell them, in files as Linux writes them."""

import os
from pathlib import Path

import pytest

from merflow.contracts.machine import free_memory_gib, usable_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def test_without_a_quota_all_cores_count(tmp_path: Path) -> None:
    assert usable_cores(root=tmp_path) == 8
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}
    assert usable_cores(root=write(tmp_path, files)) == 8


def test_a_pod_has_its_quota_of_version_2(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "250000 100000"}
    assert usable_cores(root=write(tmp_path, files)) == 2


def test_the_lowest_quota_above_counts_and_it_is_one_at_least(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pods/mine",
        "sys/fs/cgroup/pods/mine/cpu.max": "max 100000",
        "sys/fs/cgroup/pods/cpu.max": "50000 100000",
    }
    assert usable_cores(root=write(tmp_path, files)) == 1


@pytest.mark.parametrize("path", ["/", "/docker/which-the-container-does-not-see"])
def test_a_container_has_its_quota_of_version_1(path: str, tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": f"4:memory:{path}\n2:cpu,cpuacct:{path}",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    assert usable_cores(root=write(tmp_path, files)) == 4
    assert usable_cores(root=write(tmp_path, {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"})) == 8


def test_memory_is_what_the_machine_and_the_pod_have_left(tmp_path: Path) -> None:
    assert free_memory_gib(root=tmp_path) is None
    machine = {"proc/meminfo": f"MemTotal: 99 kB\nMemAvailable: {16 << 20} kB"}
    assert free_memory_gib(root=write(tmp_path, machine)) == 16
    pod = {
        "proc/self/cgroup": "0::/",
        "sys/fs/cgroup/memory.max": str(4 << 30),
    }
    assert free_memory_gib(root=write(tmp_path, pod)) == 4


def test_this_machine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)

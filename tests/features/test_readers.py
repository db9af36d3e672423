import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.errors import FeatureError
from merflow.features.readers import Readers, worker_count


@dataclass(frozen=True)
class Doubling:
    """A unit is numbers; each becomes its double, with the process that did it."""

    mebibytes: int = 0

    def __call__(self, unit: tuple[int, ...]) -> Iterator[tuple[int, int, np.ndarray]]:
        for number in unit:
            yield 2 * number, os.getpid(), np.zeros(self.mebibytes << 20, dtype=np.uint8)


@dataclass(frozen=True)
class Modules:
    """Names of the modules that a process has loaded, after what extraction loads there."""

    def __call__(self, _unit: int) -> Iterator[list[str]]:
        import merflow.features.sources

        assert merflow.features.sources.COLUMNS
        yield list(sys.modules)


@dataclass(frozen=True)
class Failing:
    how: str

    def __call__(self, unit: str) -> Iterator[str]:
        if self.how == "bug":
            raise ZeroDivisionError(f"in {unit}")
        os.kill(os.getpid(), signal.SIGKILL)
        yield unit


def _units(count: int) -> list[tuple[int, ...]]:
    return [(3 * unit, 3 * unit + 1, 3 * unit + 2) for unit in range(count)]


@pytest.fixture(scope="module")
def two() -> Iterator[Readers]:
    with Readers(2) as readers:
        yield readers


def test_everything_arrives_from_every_process_and_they_serve_again(two: Readers) -> None:
    for _ in range(2):
        found = list(two.run(Doubling(), _units(20), ahead=2))
        assert sorted(number for number, _, _ in found) == list(range(0, 120, 2))
        processes = {process for _, process, _ in found}
        assert len(processes) == 2
        assert os.getpid() not in processes


def test_without_processes_the_order_is_the_units() -> None:
    with Readers(0) as readers:
        found = list(readers.run(Doubling(), _units(4)))
    assert [number for number, _, _ in found] == list(range(0, 24, 2))
    assert {process for _, process, _ in found} == {os.getpid()}


def test_reader_processes_load_no_torch(two: Readers) -> None:
    (modules,) = two.run(Modules(), [0])
    assert "merflow.features.encoders" in modules
    assert not {"torch", "transformers", "mlflow", "merflow.training"} & set(modules)


def test_units_are_asked_for_one_by_one(two: Readers) -> None:
    asked = 0

    def units() -> Iterator[tuple[int, ...]]:
        nonlocal asked
        for unit in _units(30):
            asked += 1
            yield unit

    items = two.run(Doubling(), units(), ahead=2)
    next(items)
    assert asked <= 4
    assert len(list(items)) == 89
    assert asked == 30


def test_what_nobody_takes_yet_is_bounded(two: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two._received, "_most_bytes", 8 << 20)
    items = two.run(Doubling(mebibytes=2), _units(12))
    next(items)
    time.sleep(0.5)
    assert two._received._bytes <= 8 << 20
    assert len(list(items)) == 35


def test_a_process_that_dies_is_an_error_that_names_its_work() -> None:
    with (
        pytest.raises(FeatureError, match=r"ended with exit code -9 while it read the unit; .*features\.workers"),
        Readers(1) as readers,
    ):
        list(readers.run(Failing("death"), ["the unit"]))


def test_a_bug_in_a_process_comes_with_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in __call__.*ZeroDivisionError: in unit 7"), Readers(1) as readers:
        list(readers.run(Failing("bug"), ["unit 7"]))


def test_processes_end_with_the_block() -> None:
    with Readers(2) as readers:
        processes = {process for _, process, _ in readers.run(Doubling(), _units(6))}
    assert not any(Path(f"/proc/{process}").exists() for process in processes)


def test_little_to_read_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(32)))
    assert worker_count("auto", inputs=20) == 0
    assert worker_count("auto", inputs=10_000) == 8
    assert worker_count(3, inputs=1) == 3

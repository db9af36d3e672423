import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts import machine
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError
from merflow.features.extraction.reader_pool import ReaderPool, worker_count
from tests.living_processes import is_alive, wait_until


@dataclass(frozen=True)
class Numbers:
    """Tasks whose parts are numbers; an item starts with its part's number."""

    def part_name(self, part: int) -> int:
        return part

    def item_name(self, item: tuple[int, Any]) -> int:
        return item[0]

    def failed(self, part: int, reason: str) -> tuple[int, Any]:
        return part, reason


@dataclass(frozen=True)
class Working(Numbers):
    """Yields every number with the process that read it."""

    mebibytes: int = 0

    def __call__(self, unit: Sequence[int]) -> Iterator[tuple[int, Any]]:
        for number in unit:
            yield number, (os.getpid(), np.zeros(self.mebibytes << 20, dtype=np.uint8))


@dataclass(frozen=True)
class Modules(Numbers):
    """Yields the names of all modules that a process has loaded once it has loaded extraction's."""

    specs: tuple[tuple[EncoderSpec, Stream], ...] = ()

    def __call__(self, unit: Sequence[int]) -> Iterator[tuple[int, Any]]:
        from merflow.features.extraction.reading_tasks import Preparation

        assert all(Preparation(*spec).preparer for spec in self.specs)
        for number in unit:
            yield number, list(sys.modules)


@dataclass(frozen=True)
class Failing(Numbers):
    """Ends its process at some numbers, always or only if the unit has others as well."""

    deadly: tuple[int, ...] = ()
    with_others: tuple[int, ...] = ()
    how: str = "killed"

    def __call__(self, unit: Sequence[int]) -> Iterator[tuple[int, Any]]:
        for number in unit:
            if number in self.deadly or (number in self.with_others and len(unit) > 1):
                self.fail(number)
            yield number, "read"

    def fail(self, number: int) -> None:
        if self.how == "bug":
            raise ZeroDivisionError(f"in {number}")
        if self.how == "greed":
            np.empty(1 << 60, dtype=np.uint8)
        os.kill(os.getpid(), signal.SIGSEGV if self.how == "crashed" else signal.SIGKILL)


def _units(count: int) -> list[tuple[int, ...]]:
    return [(3 * unit, 3 * unit + 1, 3 * unit + 2) for unit in range(count)]


@pytest.fixture(scope="module")
def two() -> Iterator[ReaderPool]:
    with ReaderPool(2) as readers:
        yield readers


def test_everything_arrives_from_every_process_and_they_serve_again(two: ReaderPool) -> None:
    for _ in range(2):
        found = list(two.run(Working(), _units(20), ahead=2))
        assert sorted(number for number, _ in found) == list(range(60))
        processes = {process for _, (process, _) in found}
        assert len(processes) == 2
        assert os.getpid() not in processes


def test_without_processes_the_order_is_the_units() -> None:
    with ReaderPool(0) as readers:
        found = list(readers.run(Working(), _units(4)))
    assert [number for number, _ in found] == list(range(12))
    assert {process for _, (process, _) in found} == {os.getpid()}


def test_reader_processes_load_no_torch(two: ReaderPool, tmp_path: Path) -> None:
    """Check that reader processes load no transformers either, for the encoders whose inputs take long to read."""
    (tmp_path / "config.json").write_text(json.dumps({"conv_kernel": [400], "conv_stride": [320]}))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    settings: dict[str, int | float | str | bool] = {"model": "owner/name", "dtype": "float32"}
    specs = (
        (_spec("wavlm", settings | {"layers": "last"}, tmp_path), Stream("speech")),
        (_spec("clip-image", settings, tmp_path), Stream("video")),
    )
    ((_, modules),) = two.run(Modules(specs), [(0,)])
    assert "merflow.features.encoders.huggingface.processors" in modules
    assert not {"torch", "transformers", "mlflow", "merflow.training"} & set(modules)


def _spec(name: str, settings: dict[str, int | float | str | bool], folder: Path) -> EncoderSpec:
    return EncoderSpec(name=name, settings=settings, revision="0" * 40, folder=str(folder))


def test_units_are_requested_one_by_one(two: ReaderPool) -> None:
    requested = 0

    def units() -> Iterator[tuple[int, ...]]:
        nonlocal requested
        for unit in _units(30):
            requested += 1
            yield unit

    items = two.run(Working(), units(), ahead=2)
    next(items)
    assert requested <= 4
    assert len(list(items)) == 89
    assert requested == 30


def test_what_nobody_takes_yet_is_bounded(two: ReaderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two._received, "_most_bytes", 8 << 20)
    items = two.run(Working(mebibytes=2), _units(12))
    next(items)
    time.sleep(0.5)
    assert two._received._bytes <= 8 << 20
    assert len(list(items)) == 35


def test_an_input_that_ends_its_process_is_given_up_and_no_other() -> None:
    task = Failing(deadly=(4, 8), with_others=(16,), how="crashed")
    with ReaderPool(2) as readers:
        found = list(readers.run(task, _units(8), ahead=2))
        again = list(readers.run(Working(), _units(4)))
    assert sorted(number for number, _ in found) == list(range(24))
    assert {number for number, told in found if told != "read"} == {4, 8}
    assert all("ends by SIGSEGV, even if it reads nothing else" in told for _, told in found if told != "read")
    assert sorted(number for number, _ in again) == list(range(12))


def test_an_input_for_which_memory_is_short_is_given_up() -> None:
    with ReaderPool(1) as readers:
        found = dict(readers.run(Failing(deadly=(1,), how="greed"), _units(1)))
    assert (found[0], found[2]) == ("read", "read")
    assert "ends for lack of memory" in found[1]


def test_a_process_that_is_killed_from_outside_costs_no_input() -> None:
    with ReaderPool(2) as readers:
        items = readers.run(Working(), _units(30), ahead=2)
        found = [next(items)]
        os.kill(found[0][1][0], signal.SIGKILL)
        found += items
    assert sorted(number for number, _ in found) == list(range(90))
    assert not any(isinstance(told, str) for _, told in found)


def test_processes_that_all_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merflow.features.extraction.reader_pool._HOPELESS", 3)
    with (
        pytest.raises(
            FeatureError, match=r"3 reader processes ended .* the last by SIGKILL; set features\.workers to 0"
        ),
        ReaderPool(1) as readers,
    ):
        list(readers.run(Failing(deadly=tuple(range(9))), _units(3)))


def test_a_bug_in_a_process_comes_with_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in __call__.*ZeroDivisionError: in 7"), ReaderPool(1) as readers:
        list(readers.run(Failing(deadly=(7,), how="bug"), _units(3)))


def test_processes_end_with_the_block() -> None:
    with ReaderPool(2) as readers:
        processes = {process for _, (process, _) in readers.run(Working(), _units(6))}
    assert not any(Path(f"/proc/{process}").exists() for process in processes)


@dataclass(frozen=True)
class Endless(Numbers):
    """Reads an input that takes forever."""

    folder: Path = Path()

    def __call__(self, unit: Sequence[int]) -> Iterator[tuple[int, Any]]:
        (self.folder / f"{os.getpid()}.pid").touch()
        time.sleep(600)
        yield from ((number, "read") for number in unit)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes")
def test_processes_end_with_an_extraction_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "extraction.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from tests.features.extraction.test_reader_pool import Endless, ReaderPool\n"
        "if __name__ == '__main__':\n"
        "    with ReaderPool(2) as readers:\n"
        "        list(readers.run(Endless(Path(sys.argv[1])), [(0,), (1,)]))"
    )
    extraction = subprocess.Popen(
        [sys.executable, script, tmp_path],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    extraction.kill()
    extraction.wait()
    killed_s = time.monotonic()
    wait_until(lambda: not any(is_alive(int(path.stem)) for path in tmp_path.glob("*.pid")))
    assert time.monotonic() - killed_s < 10


def test_little_to_read_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(32)))
    monkeypatch.setattr(machine, "_quotas", lambda _root: iter(()))
    assert worker_count("auto", inputs=20) == 0
    assert worker_count("auto", inputs=10_000) == 8
    assert worker_count(3, inputs=1) == 3

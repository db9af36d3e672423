"""Calls in separate processes: results, messages, errors and deaths."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import pytest

from merflow.contracts.processes import in_processes, send_message, side_by_side
from merflow.errors import PresetError
from tests.contracts.process_calls import fail, run, touch_later, write_and_wait
from tests.living_processes import wait_until


def die() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def send_twice() -> str:
    send_message(("half", 1))
    send_message(("all", 2))
    return "done"


def die_beside(path: Path) -> str:
    path.touch()
    return die()


def fail_after(path: Path) -> str:
    wait_until(path.exists)
    raise RuntimeError("connection closed by peer")


def environment_name(folder: Path) -> str:
    """Return the name in this process's environment once another process has written its own."""
    name = os.environ["NAME"]
    (folder / name).touch()
    wait_until(lambda: len(list(folder.iterdir())) == 2)
    return name


def test_each_process_takes_one_of_the_environments(tmp_path: Path) -> None:
    taken: list[str] = []
    environments = [{"NAME": "first"}, {"NAME": "second"}]
    in_processes([partial(environment_name, tmp_path)] * 2, workers=2, finished=taken.append, environments=environments)
    assert sorted(taken) == ["first", "second"]
    assert "NAME" not in os.environ


def test_every_result_comes_once(tmp_path: Path) -> None:
    names = [f"{number}.txt" for number in range(5)]
    found = run(*(partial(write_and_wait, tmp_path / name, seconds=0) for name in names))
    assert sorted(found) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_an_error_stops_the_others_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    started = time.monotonic()
    waiting = [partial(write_and_wait, tmp_path / name, seconds=60) for name in "abc"]
    with pytest.raises(PresetError, match="no such variant"):
        run(waiting[0], fail, *waiting[1:])
    assert time.monotonic() - started < 20
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BrokenProcessPool):
        run(die, partial(write_and_wait, tmp_path / "a", seconds=0))


def test_a_death_counts_before_the_errors_that_follow_from_it(tmp_path: Path) -> None:
    with pytest.raises(BrokenProcessPool):
        run(partial(fail_after, tmp_path / "dying"), partial(die_beside, tmp_path / "dying"))


def test_an_error_of_a_call_alone_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "dying").touch()
    with pytest.raises(RuntimeError, match="connection closed by peer"):
        run(partial(fail_after, tmp_path / "dying"))


def test_messages_of_a_call_arrive_before_its_result() -> None:
    received: list[object] = []
    in_processes([send_twice], workers=1, finished=received.append, on_message=received.append)
    assert received == [("half", 1), ("all", 2), "done"]


def break_down() -> None:
    raise ZeroDivisionError("ours")


def test_one_that_is_killed_leaves_the_others_at_work(tmp_path: Path) -> None:
    looks: list[None] = []
    calls: list[Callable[[], object]] = [
        die,
        partial(touch_later, tmp_path / "a", seconds=1.5),
        partial(touch_later, tmp_path / "b", seconds=0),
    ]
    assert side_by_side(calls, meanwhile=lambda: looks.append(None)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert looks


def test_an_error_of_one_stops_all_and_is_raised(tmp_path: Path) -> None:
    started = time.monotonic()
    slow = partial(write_and_wait, tmp_path / "a", seconds=60)
    with pytest.raises(PresetError, match="no such variant"):
        side_by_side([slow, fail], meanwhile=lambda: None)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: ours"):
        side_by_side([break_down], meanwhile=lambda: None)
    assert time.monotonic() - started < 40
    assert list(tmp_path.iterdir()) == []

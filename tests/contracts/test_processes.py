import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from types import FrameType

import pytest

from merflow.contracts.processes import in_processes, send_message, side_by_side
from merflow.errors import PresetError
from tests.living_processes import is_alive, wait_until


def write_and_wait(path: Path, *, seconds: float) -> str:
    """Wait in the middle of a write, with the unfinished file on disk."""
    from merflow.storage.local import replacing

    with replacing(path) as part:
        part.write_text("half")
        time.sleep(seconds)
    return path.name


def fail() -> str:
    raise PresetError("no such variant")


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


def run(*calls: Callable[[], str]) -> list[str]:
    results: list[str] = []
    in_processes(calls, workers=2, finished=results.append)
    return results


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


def end_between_start_and_block(path: Path) -> str:
    """Receive SIGTERM when a write has begun and its block has not."""

    def on_call(frame: FrameType, event: str, function: object) -> None:
        if (
            event == "c_return"
            and function is next
            and frame.f_code.co_name == "__enter__"
            and any(path.parent.iterdir())
        ):
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)

    sys.setprofile(on_call)
    return write_and_wait(path, seconds=60)


def test_an_end_before_the_block_of_a_write_leaves_nothing_either(tmp_path: Path) -> None:
    with pytest.raises(BrokenProcessPool):
        run(partial(end_between_start_and_block, tmp_path / "a"))
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


def work_forever(folder: Path, *, deaf: bool = False) -> str:
    """Write in the middle of a write; a deaf call reacts to no signal, like one that waits in a library."""
    if deaf:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    (folder / f"{os.getpid()}.pid").touch()
    return write_and_wait(folder / f"{os.getpid()}.txt", seconds=600)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes")
@pytest.mark.parametrize(
    "parent",
    [
        "in_processes([partial(work_forever, folder)] * 2, workers=2, finished=print)",
        "side_by_side([partial(work_forever, folder)] * 2, meanwhile=lambda: None)",
        "side_by_side([partial(work_forever, folder, deaf=deaf) for deaf in (False, True)], meanwhile=lambda: None)",
    ],
)
def test_no_process_outlives_a_parent_that_is_killed_by_more_than_ten_seconds(parent: str, tmp_path: Path) -> None:
    script, folder = tmp_path / "parent.py", tmp_path / "work"
    script.write_text(
        "from functools import partial; from pathlib import Path; import sys\n"
        "from tests.contracts.test_processes import in_processes, side_by_side, work_forever\n"
        f"if __name__ == '__main__': folder = Path(sys.argv[1]); {parent}"
    )
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, script, folder],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        stderr=subprocess.DEVNULL,  # Python's own tracker of resources notices that nobody tidied up
    )
    wait_until(lambda: len(list(folder.glob("*.pid"))) == len(list(folder.glob(".*.part"))) == 2)
    process.kill()
    process.wait()
    killed_s = time.monotonic()
    workers = [int(path.stem) for path in folder.glob("*.pid")]
    wait_until(lambda: not any(map(is_alive, workers)))
    assert time.monotonic() - killed_s < 12
    deaf = 1 if "deaf" in parent else 0
    assert len(list(folder.glob(".*.part"))) == deaf, "the others tidied up"


SWALLOWS = """
import pathlib, time
pathlib.Path(FOLDER, "importing").touch()
try:
    time.sleep(1)
except BaseException:
    pass
"""


def import_what_swallows(folder: Path) -> str:
    """Import a module in which any exception is lost, as it is in parts of Python's import system."""
    sys.path.insert(0, str(folder))
    import swallows  # type: ignore[import-not-found] # noqa: F401

    return write_and_wait(folder / "a.txt", seconds=60)


def fail_while_it_imports(folder: Path) -> str:
    wait_until((folder / "importing").exists)
    return fail()


def test_a_process_that_is_asked_to_end_in_an_import_ends_after_it(tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(SWALLOWS.replace("FOLDER", repr(str(tmp_path))))
    started = time.monotonic()
    with pytest.raises(PresetError, match="no such variant"):
        run(partial(import_what_swallows, tmp_path), partial(fail_while_it_imports, tmp_path))
    assert time.monotonic() - started < 20
    assert not [path for path in tmp_path.iterdir() if path.name not in ("swallows.py", "importing", "__pycache__")]


def touch_later(path: Path, *, seconds: float) -> None:
    time.sleep(seconds)
    path.touch()


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


def test_an_interrupt_ends_all_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    def interrupt_when_begun() -> None:
        if list(tmp_path.glob(".a.*.part")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side([partial(write_and_wait, tmp_path / "a", seconds=60)], meanwhile=interrupt_when_begun)
    assert list(tmp_path.iterdir()) == []

"""Processes that are asked to end, at any moment, or whose parent has died."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from types import FrameType

import pytest

from merflow.contracts.processes import side_by_side
from merflow.errors import PresetError
from merflow.storage.local import replacing
from tests.contracts.process_calls import fail, run, write_and_wait
from tests.living_processes import is_alive, wait_until


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


def fail_once_it_writes(folder: Path) -> str:
    wait_until(lambda: any(folder.glob(".*.part")))
    return fail()


def end_twice(path: Path, *, after: int) -> str:
    """Receive a second SIGTERM in the handler of the first, when that has called so many functions."""
    called = 0

    def on_call(frame: FrameType, event: str, _function: object) -> None:
        nonlocal called
        callers, caller = [], frame.f_back
        while caller is not None:
            callers.append(caller.f_code.co_name)
            caller = caller.f_back
        if event == "call" and "_end_call" in callers:
            called += 1
            if called > after:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGTERM)

    with replacing(path):
        sys.setprofile(on_call)
        signal.raise_signal(signal.SIGTERM)
        return path.name


def test_a_process_that_is_asked_again_while_it_is_being_asked_ends_at_once(tmp_path: Path) -> None:
    calls = [partial(end_twice, tmp_path / str(after), after=after) for after in range(6)]
    assert side_by_side(calls, meanwhile=lambda: None) == len(calls)
    assert list(tmp_path.iterdir()) == []


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
        "from merflow.contracts.processes import in_processes, side_by_side\n"
        "from tests.contracts.test_process_ends import work_forever\n"
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


def end_while_a_connection_returns(folder: Path) -> str:
    """Receive SIGTERM while SQLAlchemy puts a connection back into its pool, where it prints any exception."""
    from sqlalchemy import create_engine, event, text

    engine = create_engine(f"sqlite:///{folder}/a.db")

    def on_reset(*_: object) -> None:
        (folder / "reset").touch()
        signal.raise_signal(signal.SIGTERM)

    with engine.connect() as connected:
        connected.execute(text("SELECT 1"))
        event.listen(engine, "reset", on_reset)
    (folder / "returned").touch()
    return write_and_wait(folder / "a.txt", seconds=60)


def test_a_process_that_is_asked_to_end_while_a_connection_returns_prints_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sqlalchemy")
    with pytest.raises(BrokenProcessPool):
        run(partial(end_while_a_connection_returns, tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "reset", "returned"]
    assert capfd.readouterr().err == ""


class Finalized:
    """An object whose finalizer receives SIGTERM."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def end_in_a_finalizer(folder: Path) -> str:
    Finalized()
    return write_and_wait(folder / "a.txt", seconds=60)


def test_a_process_that_is_asked_to_end_in_a_finalizer_prints_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = [partial(end_in_a_finalizer, tmp_path), partial(fail_once_it_writes, tmp_path)]
    with pytest.raises(PresetError, match="no such variant"):
        run(*calls)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_an_interrupt_ends_all_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    def interrupt_when_begun() -> None:
        if list(tmp_path.glob(".a.*.part")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side([partial(write_and_wait, tmp_path / "a", seconds=60)], meanwhile=interrupt_when_begun)
    assert list(tmp_path.iterdir()) == []

"""Ctrl-C before a command is at work, after it, and in the middle of an import: real signals to real processes."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

MERFLOW = ("-m", "merflow")
BENCHMARK = ("benchmark", "--models", "mfdr:full", "--out", "never")

AFTER_THE_COMMAND = """
import atexit, sys, time
atexit.register(lambda: (print("ending", flush=True), time.sleep(60)))
sys.argv = ["merflow", "--version"]
from merflow.__main__ import main
main()
"""

SWALLOWS = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)
except BaseException:
    pass
finished = True
"""

AT_WORK = """
import signal, sys
from merflow.cli.interrupts import interrupt
signal.signal(signal.SIGINT, interrupt)
job = {"__name__": "merflow.jobs.sample"}
exec("def work():\\n    import swallows\\n    for _ in range(10**9): pass", job)
try:
    job["work"]()
except KeyboardInterrupt:
    assert sys.modules["swallows"].finished
    sys.exit(7)
"""


def started(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd
    )


def wait_for_library(process: subprocess.Popen[str], name: str) -> None:
    """Wait until the process has loaded a library of this name: it is in the middle of an import then."""
    deadline_s = time.monotonic() + 60
    while process.poll() is None and name not in Path(f"/proc/{process.pid}/maps").read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks at the libraries of a process")
@pytest.mark.parametrize(
    ("library", "arguments"),
    [
        ("_json.", (*MERFLOW, *BENCHMARK)),  # Typer's imports
        ("_pydantic_core", (*MERFLOW, "--help")),
        ("_pydantic_core", ("-c", "import sys; sys.argv[1:] = ['presets']; from merflow.__main__ import main; main()")),
        ("libtorch_cpu", (*MERFLOW, *BENCHMARK)),
        ("libtorch_python", (*MERFLOW, *BENCHMARK)),
        ("_multiarray_umath", (*MERFLOW, *BENCHMARK)),
    ],
)
def test_a_command_that_still_imports_ends_with_one_line(
    library: str, arguments: Sequence[str], tmp_path: Path
) -> None:
    with started(*arguments, cwd=tmp_path) as process:
        wait_for_library(process, library)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_has_ended_leaves_with_one_line(tmp_path: Path) -> None:
    with started("-c", AFTER_THE_COMMAND, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().split()[0] for _ in range(2)] == ["merflow", "ending"]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_a_job_at_work_finishes_an_import_first_and_is_interrupted_then(tmp_path: Path) -> None:
    (tmp_path / "swallows.py").write_text(SWALLOWS)
    with started("-c", AT_WORK, cwd=tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (7, "")


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import atexit; atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "sys.argv = ['merflow', '--version']\n"
        "from merflow.__main__ import main; main()"
    )
    with started("-c", program, cwd=tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")

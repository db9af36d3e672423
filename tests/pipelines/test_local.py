"""A local run: what its watcher sees, what is reused, what a failed step says, and Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from merflow.errors import PipelineError

dsl = pytest.importorskip("kfp.dsl")

from merflow.pipelines.local import run_locally  # noqa: E402


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def double(number: int) -> int:
    """Double a number; refuse 13."""
    import sys

    if number == 13:
        sys.stderr.write("merflow ! 13 is unlucky; choose another number\n")
        raise ValueError
    sys.stderr.write(f"merflow | double: {number} doubled\n")
    return 2 * number


@dsl.component(base_image="python:3.11", packages_to_install=[], install_kfp_package=False)
def rest(seconds: float) -> None:
    """Sleep, and leave a mark when interrupted."""
    import os
    import time
    from pathlib import Path

    folder = Path(os.environ["TEST_FOLDER"])
    (folder / f"started-{os.getpid()}").touch()
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        (folder / f"tidied-{os.getpid()}").touch()
        raise


@dsl.pipeline(name="doubling")
def doubling(first: int, others: list[int]) -> None:
    """Run one step, then a loop."""
    begun = double(number=first).set_display_name("first")
    with dsl.ParallelFor(others) as number:
        double(number=number).after(begun)


@dsl.pipeline(name="resting")
def resting(seconds: list[float]) -> None:
    """Run a loop of steps that take long."""
    with dsl.ParallelFor(seconds) as each:
        rest(seconds=each)


@dataclass
class Notes:
    """A watcher that remembers."""

    events: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def step_started(self, step: str) -> None:
        self.events.append(("started", step))

    def step_finished(self, step: str, *, cached: bool) -> None:
        self.events.append(("cached" if cached else "finished", step))

    def job_line(self, line: str) -> None:
        self.lines.append(line)


def run(root: Path, **arguments: Any) -> tuple[Notes, Any]:  # noqa: ANN401
    notes = Notes()
    return notes, run_locally(doubling, arguments, root=root, watcher=notes, interrupted=lambda: 1)


def test_a_watcher_sees_every_step_and_what_jobs_say_and_a_second_run_is_cached(tmp_path: Path) -> None:
    notes, done = run(tmp_path, first=1, others=[2, 3, 4])
    assert notes.events[:2] == [("started", "double"), ("finished", "double")]
    assert sorted(notes.events[2:]) == [("finished", "double-2")] * 3 + [("started", "double-2")] * 3
    assert notes.lines[0] == "double: 1 doubled"
    assert sorted(notes.lines[1:]) == [f"double: {number} doubled" for number in (2, 3, 4)]
    assert [(step.name, step.ran, step.cached) for step in done.steps] == [("double", 1, 0), ("double-2", 3, 0)]
    assert all(0 < step.seconds < done.seconds for step in done.steps)

    notes, done = run(tmp_path, first=1, others=[2, 3, 4, 5])
    assert notes.events.count(("cached", "double-2")) == 3
    assert notes.lines == ["double: 5 doubled"]
    assert [(step.name, step.ran, step.cached) for step in done.steps] == [("double", 0, 1), ("double-2", 1, 3)]


def test_a_failed_step_says_why_and_the_log_holds_the_rest(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"^13 is unlucky; choose another number$"):
        run(tmp_path, first=13, others=[1])
    assert "Traceback" in (tmp_path / "log.txt").read_text()


def marked(folder: Path, kind: str) -> set[str]:
    """Return the ids of the processes that left a mark of this kind."""
    return {path.name.removeprefix(f"{kind}-") for path in folder.glob(f"{kind}-*")}


_PROGRAM = """
import sys
from pathlib import Path
from tests.pipelines.test_local import Notes, resting
from merflow.pipelines.local import run_locally

def interrupted():
    print("interrupted", flush=True)
    return 130

run_locally(
    resting, {"seconds": [60.0] * 5}, root=Path(sys.argv[1]), watcher=Notes(), interrupted=interrupted
)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="steps of another process are found through /proc")
def test_ctrl_c_ends_the_steps_and_starts_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "marks"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "run")],
        env={**os.environ, "TEST_FOLDER": str(folder)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while len(list(folder.glob("started-*"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors.decode()
    marks = {
        kind: {path.name.removeprefix(kind) for path in folder.glob(f"{kind}*")} for kind in ("started-", "tidied-")
    }
    assert len(marks["started-"]) == 2, "two run at a time, and no third was started"
    assert marks["tidied-"] == marks["started-"]
    for each in marks["started-"]:
        assert not Path(f"/proc/{each}").exists()

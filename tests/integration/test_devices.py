"""Tests of one fold in two processes through the command: a process that dies, Ctrl-C, and resuming to the end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merflow.contracts.history import read_history
from merflow.contracts.params import Params
from merflow.runs.fold_folder import read_record
from tests.integration.one_fold import ITEM, train_words
from tests.living_processes import alive

pytestmark = pytest.mark.skipif(shutil.which("setsid") is None, reason="looks at the processes of a session")

EPOCHS = 8


@pytest.fixture(scope="module")
def command(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    words = train_words(tiny_release, params, tmp_path_factory.mktemp("devices"), epochs=EPOCHS)
    return [sys.executable, "-m", "merflow", *words]


class Running:
    """The running command in a session of its own."""

    def __init__(self, command: list[str], out: Path) -> None:
        self.out = out
        self.process = subprocess.Popen(
            [*command, str(out)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
        )

    def at_work(self) -> list[int]:
        """Return the processes of the fold once the first has written a new checkpoint."""
        known = self._written()
        deadline = time.monotonic() + 240
        while self._written() == known:
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            time.sleep(0.01)
        found = [
            each for each in alive(self.process.pid) if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
        ]
        assert len(found) == 2
        return found

    def said(self) -> tuple[int, str]:
        """Return the exit code and standard error; check that no process is left."""
        _, text = self.process.communicate(timeout=120)
        deadline = time.monotonic() + 10
        while alive(self.process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)  # multiprocessing's own helper ends a moment after
        assert alive(self.process.pid) == []
        return self.process.returncode, text

    def _written(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in self.out.parent.glob("checkpoints/*/checkpoint.safetensors")]


def test_a_death_an_interrupt_and_then_the_end(command: list[str], tmp_path: Path) -> None:
    running = Running(command, tmp_path / "fold")
    os.kill(running.at_work()[1], signal.SIGKILL)
    code, text = running.said()
    assert code == 2
    assert "error: one of the 2 processes of the fold was killed, perhaps for lack of memory; run the same" in text
    assert "Traceback" not in text

    running = Running(command, tmp_path / "fold")
    running.at_work()
    running.process.send_signal(signal.SIGINT)
    code, text = running.said()
    assert code == 130
    assert "interrupted; finished work is kept, and the same command continues from there" in text
    assert "Traceback" not in text
    assert not (tmp_path / "fold").exists()

    code, text = Running(command, tmp_path / "fold").said()
    assert code == 0
    assert [line for line in text.splitlines() if line.startswith("merflow | ")][-1].startswith(
        f"merflow | train {ITEM}: epoch "
    )
    assert f"train {ITEM}: epoch {EPOCHS}/{EPOCHS}" in text, "told by the first process"
    assert len(read_history(tmp_path / "fold")) == EPOCHS
    assert read_record(tmp_path / "fold").training.devices_per_fold == 2
    assert [path.name for path in tmp_path.iterdir()] == ["fold"]

"""Ctrl-C in a terminal while folds train: one line, no process and no half-written file left, and it goes on."""

import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.cli.terminal import COLUMNS, Shown, show
from tests.living_processes import alive

pytest.importorskip("great_expectations")
pytestmark = pytest.mark.skipif(shutil.which("setsid") is None, reason="needs a terminal of its own")

STAGES = ["recordings", "read audio", "extract speech_layers", "train folds"]


def bars(shown: Shown) -> dict[str, str]:
    """Return the counts of all bars by stage."""
    found = [re.fullmatch(r"(\S.*?\S) +[━╸╺]+ +(\d+/\d+) +\d:\d\d:\d\d", line) for line in shown.lines]
    return {match[1]: match[2] for match in found if match}


def test_ctrl_c_while_folds_train_and_the_same_command_again(tiny_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "merflow", "benchmark", "--corpus", "iemocap", "--root", str(tiny_release)]
    command += ["--models", "context-mmt:wavlm-fc-frozen", "--protocol", "session5-only", "--out", str(out)]
    command += ["--set", "tracking.uri=none"]
    at_work: list[int] = []
    typed_at = 0.0

    def training(session: int) -> bool:
        nonlocal at_work, typed_at
        at_work, typed_at = alive(session), time.monotonic()
        return any(out.glob("checkpoints/*/checkpoint.safetensors"))

    stopped = show(command, interrupt=training)
    assert stopped.code == 130
    assert time.monotonic() - typed_at < 10
    text = "\n".join(stopped.lines)
    assert text.count("interrupted; finished work is kept, and the same command continues from there") == 1
    assert "Traceback" not in text
    assert "Error" not in text
    assert len(at_work) >= 2, "the command and the process of the fold"
    assert alive(stopped.session) == []
    assert list(tmp_path.rglob("*.part")) == []
    assert any(out.glob("checkpoints/*/checkpoint.safetensors"))
    assert not (out / "results.json").exists()

    finished = show(command)
    assert finished.code == 0
    assert bars(finished) == {stage: "1/1" if stage == "train folds" else "70/70" for stage in STAGES}
    said = [line for line in finished.lines if line.startswith("merflow | train ")]
    assert len(said) == 1, "one line a fold, whatever else its own process said"
    assert said[0].startswith("merflow | train context-mmt:wavlm-fc-frozen:1: epoch ")
    assert max(map(len, finished.lines)) <= COLUMNS
    (header,) = [line for line in finished.lines if line.startswith("variant ")]
    assert header.split() == ["variant", "UA", "interval", "folds", "WA", "macro", "F1"]
    assert (out / "results.json").is_file()
    assert alive(finished.session) == []

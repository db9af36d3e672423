"""Transcription that goes on from what an earlier run has done."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from tests.jobs.transcribe.transcriptions import Files, command, report_of, run


def test_a_second_run_transcribes_nothing_again(
    manifest: Path, whole: Files, settings: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, out = whole.journal.read_bytes(), whole.out.read_bytes()
    run(manifest, whole, settings)

    assert "0 recording(s) transcribed, 70 known from an earlier run" in capsys.readouterr().err
    assert whole.journal.read_bytes() == journal
    assert whole.out.read_bytes() == out


def test_another_setting_transcribes_everything_again(
    manifest: Path, whole: Files, settings: Params, tmp_path: Path
) -> None:
    files = Files(tmp_path)
    files.journal.write_bytes(whole.journal.read_bytes())
    run(manifest, files, settings, max_new_tokens=3)

    assert len(files.recordings()) == 140
    assert files.texts() != whole.texts()


def test_a_run_that_is_killed_continues_after_its_last_batch(
    manifest: Path, whole: Files, settings: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path)
    line = [sys.executable, "-m", "merflow", *command(manifest, files, settings)]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and lines(files) < 24:
            time.sleep(0.001)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before the signal"
    before = files.recordings()
    assert not files.out.exists()
    with files.journal.open("ab") as torn:
        torn.write(b'{"audio": "12ab')  # a line as a killed process leaves it
    run(manifest, files, settings)

    assert f"{len(before)} known from an earlier run" in capsys.readouterr().err
    entries = [line for line in files.journal.read_text(encoding="utf-8").splitlines() if not line.endswith("12ab")]
    again = [json.loads(entry)["audio"] for entry in entries]
    assert again[: len(before)] == before
    assert again == whole.recordings(), "a recording was transcribed twice, or out of turn"
    assert files.out.read_bytes() == whole.out.read_bytes()
    assert report_of(files) == report_of(whole)


def lines(files: Files) -> int:
    return files.journal.read_bytes().count(b"\n") if files.journal.exists() else 0

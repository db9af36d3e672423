"""Tests that transfers which are stopped at any moment end."""

import re
import subprocess
import sys
from pathlib import Path

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.transfers import PART_BYTES, Transfers
from tests.storage.s3.conftest import contents, write_files

MOMENTS = 60


def test_transfers_end_whenever_they_are_stopped(address: S3Address, transfers: Transfers, tmp_path: Path) -> None:
    sizes = {f"{number}.wav": 20_000 + number for number in range(40)}
    source = write_files(tmp_path / "source", sizes={**sizes, "film.avi": 3 * PART_BYTES, "clip.avi": PART_BYTES + 1})
    command = [sys.executable, "-m", "tests.storage.s3.stopping", str(source), str(address), "0", str(MOMENTS)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    assert ended.returncode == 0, ended.stderr[-5000:]
    counts = re.fullmatch(r"stopped (\d+), done (\d+)\n", ended.stdout)
    assert counts
    assert sum(map(int, counts.groups())) == MOMENTS
    assert int(counts[1]) > MOMENTS / 3
    fetch(address / "whole", tmp_path / "copy", transfers)
    assert contents(tmp_path / "copy") == contents(source)

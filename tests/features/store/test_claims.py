import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merflow.errors import OutputError
from merflow.features.store.claims import Claims, claim_files, live_claims

NAME = "00112233aabbccdd"
# Claims a shard, says so, and waits to be killed.
HOLDER = """
import sys, time
from pathlib import Path
from merflow.features.store.claims import Claims
with Claims(Path(sys.argv[1])) as claims:
    print(claims.acquire(sys.argv[2]), flush=True)
    time.sleep(60)
"""


def _other_machine(claim: Path) -> None:
    """Rewrite a claim as if another machine had made it, so that only its modification time is known."""
    claim.write_text(json.dumps({"machine": "elsewhere", "pid": 1, "started": "1"}))


def test_a_claim_is_one_holder_s_until_it_is_released(tmp_path: Path) -> None:
    with Claims(tmp_path) as mine, Claims(tmp_path) as theirs:
        assert mine.acquire(NAME)
        assert mine.holds(NAME)
        assert not theirs.acquire(NAME)
        assert not theirs.holds(NAME)
        assert theirs.acquire("another")
        mine.release(NAME)
        assert theirs.acquire(NAME)
        assert not mine.holds(NAME)
    assert claim_files(tmp_path) == []


def test_the_claim_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), NAME], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    with Claims(tmp_path) as mine:
        assert not mine.acquire(NAME)
        assert len(live_claims(tmp_path)) == 1
        holder.kill()
        holder.wait()
        assert live_claims(tmp_path) == []
        assert mine.acquire(NAME)
        assert [path.name for path in claim_files(tmp_path)] == [f"{NAME}.2"]
    holder.stdout.close()


def test_claims_that_a_killed_process_left_are_removed_and_no_others(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), NAME], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    with Claims(tmp_path) as mine:
        assert mine.acquire("another")
        mine.remove_dead()
        assert len(claim_files(tmp_path)) == 2
        holder.kill()
        holder.wait()
        mine.remove_dead()
        assert [path.name for path in claim_files(tmp_path)] == ["another.1"]
        assert mine.holds("another")
    holder.stdout.close()


def test_a_killed_process_that_nobody_has_reaped_is_gone_too(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), NAME], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    with Claims(tmp_path) as mine:
        assert mine.acquire(NAME)
    holder.wait()
    holder.stdout.close()


def test_a_claim_of_another_machine_expires_when_it_no_longer_moves(tmp_path: Path) -> None:
    with Claims(tmp_path, heartbeat_s=0.02) as far, Claims(tmp_path, expiry_s=0.3) as near:
        assert far.acquire(NAME)
        _other_machine(tmp_path / f"{NAME}.1")
        begun = time.monotonic()
        while time.monotonic() - begun < 0.6:  # it moves all the time
            assert not near.acquire(NAME)
            time.sleep(0.02)
        far._closed.set()  # its holder falls asleep
        begun = time.monotonic()
        while not near.acquire(NAME):
            assert time.monotonic() - begun < 2
            time.sleep(0.02)
        assert time.monotonic() - begun >= 0.25
        assert near.holds(NAME)
        assert not far.holds(NAME)
        far.release(NAME)  # the sleeper wakes up and lets go of what is no longer its own
        assert near.holds(NAME)


def test_a_wrong_clock_elsewhere_kills_no_claim(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.1").touch()
    _other_machine(tmp_path / f"{NAME}.1")
    os.utime(tmp_path / f"{NAME}.1", (0, 0))
    with Claims(tmp_path, expiry_s=0.2) as claims:
        assert not claims.acquire(NAME)
        time.sleep(0.25)
        assert claims.acquire(NAME)


def test_of_two_that_take_over_one_succeeds(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.1").write_text("{}")
    with Claims(tmp_path, expiry_s=0.0) as one, Claims(tmp_path, expiry_s=60.0) as two:
        assert one.acquire(NAME)
        assert not two.acquire(NAME)
        assert one.holds(NAME)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "claims").write_text("in the way")
    with pytest.raises(OutputError, match=rf"cannot write {tmp_path / 'claims'}"), Claims(tmp_path / "claims"):
        pass

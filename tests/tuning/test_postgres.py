"""Two workers on one study in PostgreSQL, one of them killed in the middle of a trial."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merflow.tuning.outcome import Outcome
from merflow.tuning.study import StudyLocation, create_study, open_study
from tests.tuning.postgres import missing, server
from tests.tuning.studies import SUBJECT, params, space

pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "PostgreSQL is there")

TRIALS, PATIENCE_S = 10, 180


def test_a_killed_worker_loses_no_trial_and_the_number_of_trials_is_exact(tmp_path: Path) -> None:
    chosen = params(trials=TRIALS)
    with server() as url:
        location = StudyLocation.of(url, folder=tmp_path, name="test")
        create_study(location, subject=SUBJECT, first=space().defaults(), params=chosen)
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.tuning.postgres_worker", url, str(worker), str(TRIALS), str(tmp_path)]
            )
            for worker in (0, 1)
        ]
        try:
            wait_for(tmp_path / "hangs")
            lost = int((tmp_path / "hangs").read_text())
            workers[0].send_signal(signal.SIGKILL)
            assert workers[1].wait(PATIENCE_S) == 0
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        rows = Outcome.of(open_study(location, subject=SUBJECT, params=chosen), seed=0).rows

    done = [row for row in rows if row.state == "complete"]
    assert len(done) == TRIALS
    assert {row.state for row in rows} == {"complete", "failed"}
    (failed,) = [row for row in rows if row.state == "failed"]
    assert failed.number == lost
    (again,) = [row for row in rows if row.repeats == lost]
    assert (again.state, again.values) == ("complete", failed.values)
    shares = [path.read_text() for path in tmp_path.glob("trial-*")]
    assert len(shares) == TRIALS
    assert shares.count("0") == 2
    assert shares.count("1") == TRIALS - 2
    values = [tuple(row.values.items()) for row in done]
    assert len(set(values)) == TRIALS, "no worker repeats the other's values"


def wait_for(path: Path) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not path.is_file() or not path.read_text():
        assert time.monotonic() < end_s, f"{path.name} never came"
        time.sleep(0.05)

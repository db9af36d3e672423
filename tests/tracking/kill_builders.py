"""Program of a test: processes build MLflow's database and are killed, each somewhat later; then two build at once.

They are forks of a process that has imported MLflow, which takes longer than the building.
"""

import os
import signal
import sys
import time
from pathlib import Path

import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - for the forks

from merflow.tracking.database import ensure_database

KILLED_AFTER_S = (0.0, 0.1, 0.5)  # since the first byte on the disk


def main(database: Path) -> None:
    for delay_s in KILLED_AFTER_S:
        builder = begun(database)
        while not any(path.stat().st_size for path in list(database.parent.glob(".mlflow.db.*.part"))):
            time.sleep(0.001)
        time.sleep(delay_s)
        os.kill(builder, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(builder, 0)[1]) == -signal.SIGKILL
        assert not database.exists()
    ends = [os.waitpid(builder, 0)[1] for builder in (begun(database), begun(database))]
    assert ends == [0, 0], ends


def begun(database: Path) -> int:
    builder = os.fork()
    if builder:
        return builder
    try:
        ensure_database(database)
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

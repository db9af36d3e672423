"""MLflow's SQLite file after real kills, and files of other programs in its place."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from merflow.errors import TrackingError
from merflow.tracking.connection import Connection
from merflow.tracking.database import ensure_database, is_complete


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("complete") / "mlflow.db"
    ensure_database(database)
    return database


def half_built(database: Path, *, idle_s: float) -> None:
    """Write a file as a process leaves it that is killed while MLflow builds its tables in place."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
        connection.execute("CREATE TABLE review_queues (id INTEGER)")
    then = time.time() - idle_s
    os.utime(database, (then, then))


def experiments(database: Path) -> list[str]:
    found = Connection(f"sqlite:///{database}").call("search_experiments")
    return [experiment.name for experiment in found]


def test_a_killed_process_leaves_no_database_and_two_at_once_build_a_single_one(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    program = Path(__file__).with_name("kill_builders.py")
    done = subprocess.run([sys.executable, program, database], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]
    assert experiments(database) == ["Default"]


def test_a_half_built_database_is_replaced(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    half_built(database, idle_s=60)
    assert not is_complete(database)
    assert experiments(database) == ["Default"]


def test_a_database_that_is_being_built_is_waited_for(complete: Path, tmp_path: Path) -> None:
    database, finished = tmp_path / "mlflow.db", tmp_path / "finished.db"
    half_built(database, idle_s=0)
    shutil.copy(complete, finished)
    inode = finished.stat().st_ino
    builder = threading.Timer(0.5, finished.replace, (database,))
    builder.start()
    ensure_database(database)
    builder.join()
    assert database.stat().st_ino == inode


def test_a_database_with_content_is_kept_at_any_version(complete: Path, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    shutil.copy(complete, database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    inode = database.stat().st_ino
    with pytest.raises(TrackingError, match="out-of-date database schema"):
        experiments(database)
    assert database.stat().st_ino == inode


def test_a_file_that_is_not_a_database_is_kept(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_text("notes about MLflow " * 100)
    with pytest.raises(TrackingError, match="file is not a database"):
        experiments(database)
    assert database.read_text().startswith("notes")


def test_the_first_call_may_be_in_an_exclusive_section(tmp_path: Path) -> None:
    connection = Connection(f"sqlite:///{tmp_path / 'mlflow.db'}")
    with connection.exclusive():
        assert connection.call("get_experiment_by_name", "merflow") is None


def test_a_disk_that_fills_up_is_reported_and_leaves_no_database(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(TrackingError, match=r"cannot build its database .*; set tracking.uri to another location"):
            ensure_database(tmp_path / "mlflow.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]

"""The databases that the Job creates, in a real PostgreSQL, by the Job's own command line."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.infra.containers import process
from tests.infra.manifests import ROOT, Manifest, copy_with_secrets, find, pod_spec, render
from tests.tuning import postgres

if TYPE_CHECKING:
    from psycopg import Connection

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing() or "there is a server")

USERS = {"mlflow": "MLFLOW_PASSWORD", "mlflow_auth": "MLFLOW_AUTH_PASSWORD", "optuna": "OPTUNA_PASSWORD"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with postgres.server(password="of-the-administrator") as url:
        yield urlsplit(url).port or 0


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return render(copy_with_secrets(tmp_path_factory.mktemp("copy")) / "overlays/kind")


def create(manifests: list[Manifest], port: int, folder: Path, **passwords: str) -> None:
    """Run the Job's container as a process."""
    pod = pod_spec(find(manifests, "Job", "databases"))
    assert pod
    command, environment = process(pod["containers"][0], pod, manifests, folder)
    # Administrator and address are those of the test's server; the rest is the manifest's.
    environment |= {"PGHOSTADDR": "127.0.0.1", "PGPORT": str(port), "PGUSER": "merflow"}
    environment |= {"PGPASSWORD": "of-the-administrator", **passwords}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def connect(port: int, user: str, database: str, password: str) -> "Connection[tuple[object, ...]]":
    address = {"host": "127.0.0.1", "port": port}
    connection: Connection[tuple[object, ...]] = psycopg.connect(
        **address, user=user, dbname=database, password=password
    )
    return connection


def test_each_user_owns_a_database_and_may_not_enter_another(
    manifests: list[Manifest], port: int, tmp_path: Path
) -> None:
    passwords = {variable: f"first:{user}\\'" for user, variable in USERS.items()}
    create(manifests, port, tmp_path, **passwords)
    for user, variable in USERS.items():
        with connect(port, user, user, passwords[variable]) as connection:
            connection.execute("CREATE TABLE mine (x int)")
        for other in {*USERS, "postgres"} - {user}:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                connect(port, user, other, passwords[variable])


def test_a_second_run_changes_passwords_and_keeps_the_data(
    manifests: list[Manifest], port: int, tmp_path: Path
) -> None:
    old, new = ({variable: f"{age}-{user}" for user, variable in USERS.items()} for age in ("old", "new"))
    create(manifests, port, tmp_path, **old)
    with connect(port, "optuna", "optuna", "old-optuna") as connection:
        connection.execute("CREATE TABLE kept (x int)")
    create(manifests, port, tmp_path, **new)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(port, "optuna", "optuna", "old-optuna")
    with connect(port, "optuna", "optuna", "new-optuna") as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_the_runbooks_commands_back_up_and_restore(manifests: list[Manifest], port: int, tmp_path: Path) -> None:
    passwords = {variable: f"kept-{user}" for user, variable in USERS.items()}
    create(manifests, port, tmp_path, **passwords)
    with connect(port, "mlflow", "mlflow", "kept-mlflow") as connection:
        connection.execute("CREATE TABLE runs (id int PRIMARY KEY)")
        connection.execute("INSERT INTO runs VALUES (1), (2)")
    administrator = {"PATH": f"{postgres.BINARIES}:/usr/bin:/bin", "PGHOST": "127.0.0.1", "PGPORT": str(port)}
    administrator |= {"PGPASSWORD": "of-the-administrator"}
    dump, restore = (
        command.replace("--username=postgres", "--username=merflow").replace("$name", "mlflow").split()
        for command in runbook_commands("pg_dump ", "pg_restore ")
    )
    with (tmp_path / "mlflow.dump").open("wb") as file:
        subprocess.run(dump, env=administrator, stdout=file, check=True, timeout=60)
    with connect(port, "mlflow", "mlflow", "kept-mlflow") as connection:
        connection.execute("DELETE FROM runs")
        connection.execute("ALTER TABLE runs ADD COLUMN of_a_newer_version int")
    with (tmp_path / "mlflow.dump").open("rb") as file:
        subprocess.run(restore, env=administrator, stdin=file, check=True, timeout=60)
    with connect(port, "mlflow", "mlflow", "kept-mlflow") as connection:
        assert connection.execute("SELECT * FROM runs ORDER BY 1").fetchall() == [(1,), (2,)]
        connection.execute("INSERT INTO runs VALUES (3)")  # the user still owns its tables


def runbook_commands(*starts: str) -> list[str]:
    """Return the first command of the runbook that begins so, up to its redirection."""
    lines = (ROOT / "docs/runbook.md").read_text(encoding="utf-8").splitlines()
    found = []
    for start in starts:
        line = next(line for line in lines if f" {start}" in f" {line}" and "--" in line)
        found.append(line[line.index(start) :].partition(" >")[0].partition(" <")[0])
    return found


def test_it_stops_at_a_password_that_is_missing(manifests: list[Manifest], port: int, tmp_path: Path) -> None:
    pod = pod_spec(find(manifests, "Job", "databases"))
    assert pod
    command, environment = process(pod["containers"][0], pod, manifests, tmp_path)
    del environment["OPTUNA_PASSWORD"]
    environment |= {"PGHOSTADDR": "127.0.0.1", "PGPORT": str(port), "PGUSER": "merflow"}
    environment |= {"PGPASSWORD": "of-the-administrator"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "optuna_password" in done.stderr

"""Check of the database of studies: create, write and drop a table, in a transaction that is rolled back."""

import secrets
from pathlib import Path

from merflow.doctor.findings import Finding
from merflow.errors import TuningError

_PATIENCE_S = 10


def check_database(storage: str) -> Finding:
    """Create a table, write and read a row, and roll everything back.

    Raises:
        TuningError: Optuna is not installed here, or the database cannot be used.
    """
    try:
        from merflow.tuning.study import StudyLocation, database_errors
    except ModuleNotFoundError as error:
        raise TuningError(f"{error.name} is not installed here; pip install 'merflow[tuning,postgres]'") from error
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    location = StudyLocation.of(storage, folder=Path(), name="merflow-doctor")
    if location.url.startswith("sqlite:///") and not Path(location.url.removeprefix("sqlite:///")).is_file():
        return Finding("not configured", f"{location.url} does not exist yet; `merflow tune` creates it")
    options: dict[str, object] = {"password": location.password} if location.password else {}
    if location.url.startswith("postgresql"):
        options["connect_timeout"] = _PATIENCE_S
    table = f"merflow_doctor_{secrets.token_hex(8)}"
    with database_errors(location):
        try:
            engine = create_engine(location.url, connect_args=options, poolclass=NullPool)
        except ModuleNotFoundError as error:
            raise TuningError(f"{error.name} is not installed here; pip install 'merflow[postgres]'") from error
        with engine.connect() as connection:
            connection.execute(text(f"CREATE TABLE {table} (number INTEGER)"))
            connection.execute(text(f"INSERT INTO {table} VALUES (1)"))
            (count,) = connection.execute(text(f"SELECT COUNT(*) FROM {table}")).one()
            connection.execute(text(f"DROP TABLE {table}"))
            connection.rollback()
    if count != 1:
        return Finding("wrong", f"{location.url} lost a row", "check the database")
    return Finding("ok", f"{location.url}: tables can be created, written and dropped")

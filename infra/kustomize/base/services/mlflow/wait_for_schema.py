"""A wait until both databases have this MLflow's schema, which the Job ``mlflow-schema`` creates."""

import configparser
import os
import sys
import time
from pathlib import Path

import mlflow
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

PACKAGE = Path(mlflow.__file__).parent


def has_schema(url: str, migrations: Path, version_table: str) -> bool:
    """Return True if the database is at the newest revision in a folder of migrations."""
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection, opts={"version_table": version_table})
            return current.get_current_revision() == ScriptDirectory(str(migrations)).get_current_head()
    except sqlalchemy.exc.OperationalError as problem:
        sys.stderr.write(f"no connection: {str(problem).splitlines()[0]}\n")
        return False
    finally:
        engine.dispose()


def main() -> int:
    """Wait; return 0 once both databases have their schema, 1 if they do not within the given number of seconds."""
    tracking_url, patience_s = sys.argv[1], float(sys.argv[2])
    settings = configparser.ConfigParser()
    settings.read(os.environ["MLFLOW_AUTH_CONFIG_PATH"])
    schemas = (
        (tracking_url, PACKAGE / "store/db_migrations", "alembic_version"),
        (settings["mlflow"]["database_uri"], PACKAGE / "server/auth/db/migrations", "alembic_version_auth"),
    )
    until = time.monotonic() + patience_s
    while not all(has_schema(*schema) for schema in schemas):
        if time.monotonic() > until:
            sys.stderr.write("the databases do not have this MLflow's schema; run the Job mlflow-schema\n")
            return 1
        time.sleep(2)
    return 0


if __name__ == "__main__":
    sys.exit(main())

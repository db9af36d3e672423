"""A finished rehearsal, and all places in which one of its secrets could have been left."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from merflow.components import IMAGE
from merflow.pipelines.rehearsal import launcher
from merflow.pipelines.rehearsal.podman import Podman
from merflow.pipelines.rehearsal.rehearsal import STORE
from merflow.pipelines.rehearsal.services import Services
from tests.pipelines.rehearsal import stage as stages

PODMAN = Podman()


@dataclass(frozen=True)
class Run:
    """A finished rehearsal whose services still run."""

    stage: stages.Stage
    out: Path
    services: Services


def leaks(run: Run) -> list[tuple[str, str]]:
    """Return each place that holds a secret, with the secret's first letters: files, objects, MLflow, the image."""
    secrets = _secrets(run)
    assert len(secrets) >= 8
    assert stages.CANARY in secrets
    places = {f"file {path.name}": path.read_bytes() for path in _files(run)}
    places |= dict(_objects(run))
    places["MLflow's database"] = dump(run, "mlflow")
    history = PODMAN.call("history", "--no-trunc", "--format", "json", IMAGE) + PODMAN.call("image", "inspect", IMAGE)
    places["the image"] = history.encode()
    assert len(places) > 40
    return [(place, secret[:4]) for place, text in places.items() for secret in secrets if secret.encode() in text]


def dump(run: Run, database: str) -> bytes:
    """Return a dump of one database of the PostgreSQL server."""
    server = f"{run.stage.project}-postgres-postgres"
    program = ["pg_dump", "--host=127.0.0.1", "--username=postgres", database]
    password = run.services.secret("mlops", "postgres")["POSTGRES_PASSWORD"]
    done = subprocess.run(
        ["podman", "exec", "--env=PGPASSWORD", server, *program],
        capture_output=True,
        check=True,
        env={**os.environ, "PGPASSWORD": password},
    )
    return done.stdout


def _secrets(run: Run) -> set[str]:
    """Return all random values of the overlay's Secrets, as they are and in base64."""
    named = [each["metadata"] for each in run.services.manifests if each["kind"] == "Secret"]
    values = [value for each in named for value in run.services.secret(each["namespace"], each["name"]).values()]
    return {value for value in values if len(value) >= 12}


def _files(run: Run) -> list[Path]:
    # What a pod keeps in an emptyDir, such as MLflow's password file, is there only while the pod runs.
    running = run.services.scratch
    files = [path for path in run.out.rglob("*") if path.is_file() and not path.is_relative_to(running)]
    return [*files, run.stage.package, run.stage.folder / "rehearsal.log"]


def _objects(run: Run) -> Iterator[tuple[str, bytes]]:
    """Yield all objects of both buckets."""
    for bucket, secret, names in (
        ("merflow", "s3-runs", ("RUNS_ACCESS_KEY", "RUNS_SECRET_KEY")),
        ("mlflow", "s3-mlflow", ("MLFLOW_ACCESS_KEY", "MLFLOW_SECRET_KEY")),
    ):
        keys = run.services.secret("mlops", secret)
        client = launcher.connect(run.services.published(STORE.endpoint), *(keys[name] for name in names))
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for key in [each["Key"] for page in pages for each in page.get("Contents", [])]:
            yield f"s3://{bucket}/{key}", client.get_object(Bucket=bucket, Key=key)["Body"].read()

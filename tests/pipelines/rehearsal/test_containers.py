"""A benchmark in containers: MLflow on PostgreSQL with basic auth, a workspace on S3, and no shared volume.

Needs podman and the image of the steps (`make images`). One rehearsal serves all tests; they read what it left.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from merflow.components import IMAGE
from merflow.pipelines.rehearsal import launcher
from merflow.pipelines.rehearsal.podman import Podman
from merflow.pipelines.rehearsal.rehearsal import STORE
from merflow.pipelines.rehearsal.services import Services, rendered
from tests.pipelines.rehearsal import stage as stages
from tools.rehearsal_kills import Killer, differences

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(bool(reason := stages.missing()), reason=reason or "can run"),
]
PODMAN = Podman()


@dataclass(frozen=True)
class Run:
    """A finished rehearsal whose services still run."""

    stage: stages.Stage
    out: Path
    services: Services


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Rehearse with two pods killed on the way; leave the services up for the tests."""
    folder = tmp_path_factory.mktemp("rehearsal")
    stage = stages.prepare(folder)
    out = folder / "out"
    services = Services(PODMAN, rendered(stage.services), out / "scratch", project=stage.project)
    try:
        with (folder / "rehearsal.log").open("wb") as log:
            process = subprocess.Popen(stage.command(out, "--keep"), stdout=log, stderr=log)
            killer = Killer(project=stage.project, seed=1, kills=2, servers=False)
            while process.poll() is None:
                killer.maybe_kill()
                time.sleep(0.5)
        assert process.returncode == 0, (folder / "rehearsal.log").read_text()[-3000:]
        assert len(killer.killed) == 2
        services.up()  # finds them running
        yield Run(stage, out, services)
    finally:
        services.down(volumes=True)
    assert not services.scratch.exists(), "it holds passwords of pods that ran"


def test_its_results_are_those_of_a_run_without_containers_to_the_digit(run: Run, tmp_path: Path) -> None:
    assert differences(run.out / "results", stages.run_here(tmp_path / "here")) == []


def test_killed_pods_were_tried_again(run: Run) -> None:
    logs = sorted(path.name for path in (run.out / "logs").glob("*.log"))
    assert sum(name.endswith("-1.log") for name in logs) >= 1, logs


def test_finished_steps_are_not_repeated(run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in (run.out / "logs").glob("*.log")}
    done = subprocess.run(run.stage.command(run.out, "--keep", "--json"), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["pods"] == []
    assert {path: path.stat().st_mtime_ns for path in (run.out / "logs").glob("*.log")} == before


def test_every_pod_ran_as_the_clusters_user_and_could_not_write_to_its_root(run: Run) -> None:
    security = ["--user=1000680000:0", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    program = "touch /opt/x 2>&1; id -u; id -g; grep -E 'CapEff|NoNewPrivs' /proc/self/status; python3 -m pip --version"
    said = subprocess.run(
        ["podman", "run", "--rm", "--network=none", *security, IMAGE, "sh", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only file system" in said.stdout
    assert said.stdout.splitlines()[1:3] == ["1000680000", "0"]
    assert "NoNewPrivs:\t1" in said.stdout
    assert "CapEff:\t0000000000000000" in said.stdout
    assert "No module named pip" in said.stderr
    assert run.out.exists()


def test_no_secret_is_in_a_package_a_log_an_artifact_the_image_or_mlflow(run: Run) -> None:
    secrets = _secrets(run)
    assert len(secrets) >= 8
    assert stages.CANARY in secrets
    places = {f"file {path.name}": path.read_bytes() for path in _files(run)}
    places |= dict(_objects(run))
    places["MLflow's database"] = _dump(run, "mlflow")
    history = PODMAN.call("history", "--no-trunc", "--format", "json", IMAGE) + PODMAN.call("image", "inspect", IMAGE)
    places["the image"] = history.encode()
    assert len(places) > 40
    found = [(place, secret[:4]) for place, text in places.items() for secret in secrets if secret.encode() in text]
    assert found == []


def test_the_run_is_in_mlflow(run: Run) -> None:
    assert b"context-mmt" in _dump(run, "mlflow")


def test_ctrl_c_ends_all_pods_and_the_same_command_resumes(run: Run, tmp_path: Path) -> None:
    command = run.stage.command(tmp_path / "out", "--keep", "--arg", "name=another")
    others = _pods_of_runs()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + 240
    while not (pods := _pods_of_runs() - others):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 130, said
    assert "the same command continues" in said
    assert not pods & _pods_of_runs()
    run.services.up()


def _pods_of_runs() -> set[str]:
    return set(PODMAN.call("pod", "ps", "--filter", "label=merflow.io/rehearsal", "--format", "{{.Name}}").split())


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


def _dump(run: Run, database: str) -> bytes:
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

"""A benchmark in containers: MLflow on PostgreSQL with basic auth, a workspace on S3, and no shared volume.

Needs podman and the image of the steps (`make images`). One rehearsal serves all tests; they read what it left.
"""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from merflow.components import IMAGE
from merflow.pipelines.rehearsal.overlay import rendered
from merflow.pipelines.rehearsal.services import Services
from tests.pipelines.rehearsal import stage as stages
from tests.pipelines.rehearsal.leaks import PODMAN, Run, dump, leaks
from tools.rehearsal_kills import Killer, differences, pods_of_runs

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(bool(reason := stages.missing()), reason=reason or "can run"),
]


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
    assert leaks(run) == []


def test_the_run_is_in_mlflow(run: Run) -> None:
    assert b"context-mmt" in dump(run, "mlflow")


def test_ctrl_c_ends_all_pods_and_the_same_command_resumes(run: Run, tmp_path: Path) -> None:
    command = run.stage.command(tmp_path / "out", "--keep", "--arg", "name=another")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + 240
    while not (pods := pods_of_runs(run.stage.project)):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 130, said
    assert "the same command continues" in said
    assert not set(pods) & set(pods_of_runs(run.stage.project))
    run.services.up()

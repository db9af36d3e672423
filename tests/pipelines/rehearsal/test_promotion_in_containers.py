"""A promotion in containers: from the corpus to the alias in MLflow, which has a password and PostgreSQL.

Needs podman and the image of the steps (`make images`). One rehearsal serves all tests; they read what it left.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from merflow.pipelines.rehearsal.overlay import rendered
from merflow.pipelines.rehearsal.podman import Podman
from merflow.pipelines.rehearsal.services import Services
from merflow.promotion.registry.audit import audit
from merflow.promotion.registry.registry import Registry
from merflow.tracking.connection import Connection
from tests.pipelines.rehearsal import stage as stages
from tests.pipelines.rehearsal.leaks import Run, leaks

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(bool(reason := stages.missing()), reason=reason or "can run"),
]
# Two epochs on a tiny corpus make no champion; `warn` records what failed, and promotes.
ARGUMENTS = {"mode": "warn", "stress_utterances": "12"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Rehearse the promotion; leave the services up for the tests."""
    folder = tmp_path_factory.mktemp("promotion")
    stage = stages.prepare(folder, project="merflow-promotion", pipeline="promote")
    out = folder / "out"
    services = Services(Podman(), rendered(stage.services), out / "scratch", project=stage.project)
    try:
        with (folder / "rehearsal.log").open("wb") as log:
            done = subprocess.run(_command(stage, out), stdout=log, stderr=log, check=False)
        assert done.returncode == 0, (folder / "rehearsal.log").read_text()[-3000:]
        services.up()  # finds them running
        yield Run(stage, out, services)
    finally:
        services.down(volumes=True)


@pytest.fixture
def registry(run: Run, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return the registry in the containers' MLflow, seen by the user of the runs."""
    for name, value in run.services.secret("merflow", "merflow").items():
        if name.startswith("MLFLOW_TRACKING_"):
            monkeypatch.setenv(name, value)
    return Registry(Connection(run.services.published("http://mlflow.mlops:5000")))


def test_the_version_that_the_steps_made_is_the_champion(registry: Registry) -> None:
    found = audit(registry)

    assert found.problems == ()
    assert found.aliases == {"champion": 1}
    assert [entry.action for entry in found.entries] == ["register", "finish", "decide", "promote", "finish"]
    (version,) = registry.versions()
    assert version.facts is not None
    assert version.facts.variant == stages.VARIANT


def test_the_champion_loads_from_mlflows_artifacts(registry: Registry) -> None:
    mlflow.set_tracking_uri(registry.connection.uri)
    try:
        model = mlflow.pyfunc.load_model("models:/merflow@champion")
    finally:
        mlflow.set_tracking_uri(None)
    assert model.metadata.signature is not None


def test_the_decision_with_its_checks_is_an_artifact_of_the_gate(run: Run) -> None:
    pages = [path.read_text() for path in run.out.rglob("decision*") if path.is_file()]

    assert len(pages) == 1
    assert "smoke test" in pages[0]
    assert "above chance" in pages[0]


def test_no_secret_is_in_a_package_a_log_an_artifact_the_image_or_mlflow(run: Run) -> None:
    assert leaks(run) == []


def test_the_same_command_again_repeats_no_step(run: Run) -> None:
    done = subprocess.run(_command(run.stage, run.out, "--json"), capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["pods"] == []


def _command(stage: stages.Stage, out: Path, *more: str) -> list[str]:
    return stage.command(out, "--keep", *(f"--arg={name}={value}" for name, value in ARGUMENTS.items()), *more)

"""A benchmark in containers whose pods share a PVC, which the overlay's Job prepares for group 0.

Needs podman and the image of the steps (`make images`). The PVC is a volume of podman, and MLflow is left out.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from merflow.pipelines.rehearsal import launcher
from merflow.pipelines.rehearsal.for_podman import local_name
from merflow.pipelines.rehearsal.overlay import rendered
from merflow.pipelines.rehearsal.podman import Podman
from merflow.pipelines.rehearsal.rehearsal import NAMESPACE, STORE
from merflow.pipelines.rehearsal.services import Services
from tests.pipelines.rehearsal import stage as stages
from tools.rehearsal_kills import differences

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(bool(reason := stages.missing()), reason=reason or "can run"),
]
PODMAN = Podman()
USER = 1000680000  # of the pods of steps, unlike the Job's


@dataclass(frozen=True)
class Run:
    """A finished rehearsal whose services still run.

    Attributes:
        stage: The package and the services.
        out: Folder of the rehearsal.
        services: The services.
        volume: Folder of this machine that holds the volume.
    """

    stage: stages.Stage
    out: Path
    services: Services
    volume: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("volume")
    stage = stages.prepare(folder, project="merflow-volume", on_volume=True)
    out = folder / "out"
    services = Services(PODMAN, rendered(stage.services), out / "scratch", project=stage.project)
    try:
        done = subprocess.run(stage.command(out, "--keep"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        services.up()  # finds them running
        claim = local_name(stage.project, NAMESPACE, "merflow")
        root = PODMAN.call("volume", "inspect", "--format", "{{.Mountpoint}}", claim).strip()
        yield Run(stage, out, services, Path(root))
    finally:
        services.down(volumes=True)
    assert not PODMAN.call("volume", "ls", "--quiet", "--filter", f"name={stage.project}")


def test_its_results_are_those_of_a_run_without_containers_to_the_digit(run: Run, tmp_path: Path) -> None:
    assert differences(run.out / "results", stages.run_here(tmp_path / "here", stages.SMALL)) == []


def test_the_job_found_the_volume_writable_for_another_user_of_group_0(run: Run) -> None:
    said = PODMAN.logs(f"{run.stage.project}-workspace-prepare")
    assert "/workspace is writable for group 0" in said
    owner = run.volume.stat()
    assert owner.st_gid == 0
    assert owner.st_mode & 0o2070 == 0o2070


def test_the_steps_left_features_and_folds_in_the_volume_and_only_artifacts_in_s3(run: Run) -> None:
    found = [path for path in run.volume.rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in found} == {USER}
    assert {path.stat().st_gid for path in found} == {0}
    assert any(path.suffix == ".safetensors" for path in found)
    assert len(list((run.volume / "folds").glob("*-*"))) == 1  # FINGERPRINT-DATA
    keys = run.services.secret("mlops", "s3-runs")
    endpoint = run.services.published(STORE.endpoint)
    client = launcher.connect(endpoint, keys["RUNS_ACCESS_KEY"], keys["RUNS_SECRET_KEY"])
    listed = client.list_objects_v2(Bucket="merflow")["Contents"]
    assert listed
    assert all(each["Key"].startswith("kfp/") for each in listed)

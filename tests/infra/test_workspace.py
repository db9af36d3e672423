"""The Job that prepares the volume, and the page about the volume's pods."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from tests.infra.manifests import KUSTOMIZE, ROOT

SCRIPT = KUSTOMIZE / "components/workspace/prepare_workspace.sh"
AS_ROOT = os.geteuid() == 0


def prepare(volume: Path, *user: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*user, "sh", SCRIPT, volume], capture_output=True, text=True, timeout=60)


def test_a_writable_volume_passes_and_stays_empty(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o700)
    done = prepare(volume)
    assert done.returncode == 0, done.stderr
    assert list(volume.iterdir()) == []
    assert volume.stat().st_mode & 0o2070 == 0o2070, "group 0 may write, and what is made inside belongs to it"


@pytest.mark.skipif(not AS_ROOT or shutil.which("setpriv") is None, reason="needs root and setpriv to be another user")
@pytest.mark.parametrize(("mode", "returncode"), [(0o2770, 0), (0o755, 1)])
def test_any_user_of_group_0_may_write_and_a_volume_of_others_is_refused(mode: int, returncode: int) -> None:
    volume = Path("/tmp") / f"merflow-volume-{os.getpid()}-{mode:o}"  # tmp_path is below a folder of root alone
    script = volume.with_suffix(".sh")
    volume.mkdir()
    try:
        volume.chmod(mode)
        shutil.copy(SCRIPT, script)
        script.chmod(0o644)
        user = ("setpriv", "--reuid=123456", "--regid=0", "--clear-groups")
        done = subprocess.run([*user, "sh", script, volume], capture_output=True, text=True, timeout=60)
        assert done.returncode == returncode, done.stderr
        assert ("as root, run" in done.stderr) == bool(returncode)
    finally:
        shutil.rmtree(volume)
        script.unlink(missing_ok=True)


def test_the_page_on_clusters_names_every_setting(params: Params) -> None:
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    settings = [*type(params.cluster).model_fields, *type(params.cluster.pods.train).model_fields]
    assert len(settings) == 28
    assert [name for name in settings if name not in page] == []

"""The images that have been built, run as a cluster runs them: any user ID in group 0, a read-only root, no network.

An image that is not here, or holds other code, is skipped: `make images TARGETS="cpu cuda serve"` builds all.
"""

import json
import re
import subprocess

import pytest

from infra.images.requirements import EXTRAS
from merflow.components import IMAGE
from merflow.runs.whole_code import whole_code_digest
from tests.pipelines.rehearsal.stage import missing_image
from tools.images import SBOM, name

pytestmark = pytest.mark.containers
_SECURITY = ("--user=123456:0", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")


@pytest.fixture(params=EXTRAS)
def target(request: pytest.FixtureRequest) -> str:
    """Return a target whose image is here."""
    if reason := missing_image(name(request.param)):
        pytest.skip(reason)
    return str(request.param)


def run(target: str, *command: str) -> str:
    """Run a command in a target's image; return what it printed."""
    words = ["podman", "run", "--rm", *_SECURITY, name(target), *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_labels_name_version_commit_code_and_target(target: str) -> None:
    words = ["podman", "image", "inspect", "--format", "{{json .Config.Labels}}", name(target)]
    labels = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    assert labels["org.opencontainers.image.version"] == IMAGE.partition(":")[2]
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    assert labels["io.merflow.code-digest"] == whole_code_digest()
    assert labels["io.merflow.target"] == target


def test_the_command_answers_and_nothing_can_be_installed(target: str) -> None:
    assert "Usage: merflow" in run(target, "merflow", "--help")
    program = "import os, importlib.util as found; print(os.getuid(), os.getgid(), found.find_spec('pip'))"
    assert run(target, "python3", "-c", program).split() == ["123456", "0", "None"]


def test_torch_is_the_build_of_the_target_and_in_the_sbom(target: str) -> None:
    program = "import json, torch, importlib.metadata as found; "
    program += "print(json.dumps([found.version('torch'), torch.version.cuda]))"
    version, cuda = json.loads(run(target, "python3", "-c", program))
    assert (cuda is not None) == (target == "cuda")
    components = json.loads(run(target, "cat", SBOM))["components"]
    assert version in {each["version"] for each in components if each["name"] == "torch"}
    assert any(each["name"].startswith("nvidia-cublas") for each in components) == (target == "cuda")


def test_the_cuda_image_runs_a_benchmark_without_a_gpu() -> None:
    """The rehearsal does it with the image ``cpu``."""
    if reason := missing_image(name("cuda")):
        pytest.skip(reason)
    settings = ("training.max_epochs=1", "training.device=cpu", "features.profile=lite", "tracking.uri=none")
    changes = [word for each in settings for word in ("--set", each)]
    corpus = ("--corpus", "synthetic", "--size", "tiny", "--protocol", "session5-only")
    said = run(
        "cuda", "merflow", "benchmark", "--models", "context-mmt:mmt-frozen", *corpus, "--out", "/tmp/out", *changes
    )
    assert "context-mmt" in said

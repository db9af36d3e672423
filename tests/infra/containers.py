"""A container of a manifest as a process on this machine: its command line, environment and files, without an image."""

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.infra.manifests import Manifest, find
from tests.programs import search_path
from tests.tuning import postgres


def process(
    container: Manifest, pod: Manifest, manifests: list[Manifest], folder: Path, **extra: str
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a container.

    Args:
        container: The container.
        pod: Its pod, for the volumes. ConfigMaps are written below ``folder``, where empty volumes are folders, too;
            each path of a mount is replaced by the folder's.
        manifests: All objects, with the ConfigMaps and Secrets.
        folder: Folder of the pod.
        **extra: Variables that stand in for the cluster, for example for its DNS.
    """
    mounts = dict(_mounts(container, pod, manifests, folder))
    environment = dict(_environment(container, manifests))
    command = [_expanded(word, environment) for word in (*container.get("command", ()), *container.get("args", ()))]
    located = {name: _located(value, mounts) for name, value in environment.items()}
    return [_located(word, mounts) for word in command], {**here(), **located, **extra}


def here() -> dict[str, str]:
    """Return the variables with which programs of this environment are found, and no other of the user's."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": search_path(*([postgres.BINARIES] if postgres.BINARIES else [])), **kept}


def _mounts(container: Manifest, pod: Manifest, manifests: list[Manifest], folder: Path) -> Iterator[tuple[str, Path]]:
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        place = folder / mount["name"]
        place.mkdir(exist_ok=True)
        source = volumes.get(mount["name"], {}).get("configMap")
        if source:
            for name, text in find(manifests, "ConfigMap", source["name"])["data"].items():
                (place / name).write_text(text, encoding="utf-8")
        if mount["mountPath"] != "/tmp":
            yield mount["mountPath"], place


def _environment(container: Manifest, manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            yield from find(manifests, "ConfigMap", source["configMapRef"]["name"])["data"].items()
        else:
            yield from secret(manifests, source["secretRef"]["name"]).items()
    for variable in container.get("env", []):
        if "value" in variable:
            yield variable["name"], variable["value"]
        else:
            key = variable["valueFrom"]["secretKeyRef"]
            yield variable["name"], secret(manifests, key["name"])[key["key"]]


def secret(manifests: list[Manifest], name: str) -> dict[str, str]:
    """Return the decoded values of a Secret."""
    return {key: base64.b64decode(text).decode() for key, text in find(manifests, "Secret", name)["data"].items()}


def _expanded(word: str, environment: dict[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda match: environment.get(match[1], match[0]), word)


def _located(text: str, mounts: dict[str, Path]) -> str:
    for path, folder in mounts.items():
        text = re.sub(rf"(?<![\w/]){re.escape(path)}(?=/|$)", str(folder), text)
    return text

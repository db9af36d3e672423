"""A Pod rewritten for ``podman kube play`` 4.3, so that podman does what a kubelet would do with the original.

Podman 4.3 reads the user of a container but not that of its pod, gives an emptyDir of one name to all pods and to root
alone, restarts finished init containers of a server, runs probes with programs that images need not have, and knows no
namespaces. So init containers become pods of their own, which run first; an emptyDir becomes a folder of this machine
(a volume below a link of the image, such as /var/run, would be given to the owner of that path outside); and probes are
left to whoever plays the pod.
"""

import copy
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_UNKNOWN = ("serviceAccountName", "imagePullSecrets", "nodeSelector", "tolerations", "activeDeadlineSeconds")
_INHERITED = ("runAsUser", "runAsGroup", "runAsNonRoot")


@dataclass(frozen=True)
class ForPodman:
    """One pod in podman's terms.

    Attributes:
        inits: A pod for each init container, to be run to its end, in order.
        main: The pod itself.
        scratch: Folders that replace its emptyDirs.
        claims: Names of the volumes that replace its PVCs.
        group: The pod's ``fsGroup``, to which PVCs are given; None if it has none.
    """

    inits: tuple[Manifest, ...]
    main: Manifest
    scratch: tuple[Path, ...]
    claims: tuple[str, ...]
    group: int | None


def for_podman(
    pod: Mapping[str, Any],
    *,
    project: str,
    scratch: Path,
    restarts: bool = False,
    literals: Mapping[str, str] | None = None,
    host_ports: Mapping[tuple[str, int], int] | None = None,
) -> ForPodman:
    """Return what podman is given for a pod.

    Args:
        pod: A Pod.
        project: Prefix of the names of podman's objects: volumes, Secrets, ConfigMaps.
        scratch: Folder for its emptyDirs.
        restarts: True for a server, which is started again when it ends.
        literals: Values of variables that its arguments may name as ``$(NAME)``.
        host_ports: Ports of this machine, on 127.0.0.1 alone, by the name of a pod and its port.
    """
    made = copy.deepcopy(dict(pod))
    metadata, spec = made["metadata"], made["spec"]
    namespace = metadata.pop("namespace", "default")
    for key in _UNKNOWN:
        spec.pop(key, None)
    security = spec.pop("securityContext", {})
    inherited = {key: value for key, value in security.items() if key in _INHERITED}
    for container in containers(spec):
        for probe in _PROBES:
            container.pop(probe, None)
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container["securityContext"] = inherited | container.get("securityContext", {})
        container["args"] = [_expanded(word, container, literals or {}) for word in container.get("args", [])]
        _rename_references(container, project=project, namespace=namespace)
        _fit(container.get("resources", {}))
        for port in container.get("ports", []):
            if number := (host_ports or {}).get((metadata["name"], port["containerPort"])):
                port.update(hostPort=number, hostIP="127.0.0.1")
    folders = _replace_empty_dirs(spec, scratch)
    claims = _rename_volumes(spec, project=project, namespace=namespace)
    inits = [
        {
            **made,
            "metadata": {**metadata, "name": f"{metadata['name']}-{container['name']}"},
            "spec": {**_only(spec, container), "restartPolicy": "Never"},
        }
        for container in spec.pop("initContainers", [])
    ]
    spec["restartPolicy"] = "Always" if restarts else "Never"
    return ForPodman(tuple(inits), made, tuple(folders), tuple(claims), security.get("fsGroup"))


def make_scratch(folders: Iterable[Path]) -> None:
    """Create the folders that replace emptyDirs, writable for every user, as the kubelet creates them."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)


def local_name(project: str, namespace: str, name: str) -> str:
    """Return the name under which podman keeps an object of a namespace."""
    return f"{project}-{namespace}-{name}"


def containers(spec: Mapping[str, Any]) -> Iterator[Manifest]:
    """Yield the containers of a pod, those that prepare it first."""
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def _replace_empty_dirs(spec: Manifest, scratch: Path) -> list[Path]:
    """Make each emptyDir a folder of this machine; return the folders."""
    folders = []
    for volume in spec.get("volumes", []):
        if volume.pop("emptyDir", None) is not None:
            folders.append(scratch / volume["name"])
            volume["hostPath"] = {"path": str(folders[-1]), "type": "Directory"}
    return folders


def _rename_volumes(spec: Manifest, *, project: str, namespace: str) -> list[str]:
    """Give ConfigMaps and PVCs the names that podman knows; return those of the PVCs."""
    claims = []
    for volume in spec.get("volumes", []):
        if "configMap" in volume:
            volume["configMap"]["name"] = local_name(project, namespace, volume["configMap"]["name"])
        elif "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]
            claim["claimName"] = local_name(project, namespace, claim["claimName"])
            claims.append(claim["claimName"])
    return claims


def _only(spec: Manifest, container: Manifest) -> Manifest:
    """Return the pod with this container alone, and the volumes that it mounts."""
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    volumes = [volume for volume in spec.get("volumes", []) if volume["name"] in mounted]
    rest = {key: value for key, value in spec.items() if key != "initContainers"}
    return {**rest, "containers": [container], "volumes": volumes}


def _rename_references(container: Manifest, *, project: str, namespace: str) -> None:
    references = [source[kind] for source in container.get("envFrom", []) for kind in source if kind.endswith("Ref")]
    for variable in container.get("env", []):
        references += [each for kind, each in variable.get("valueFrom", {}).items() if kind.endswith("KeyRef")]
    for each in references:
        if "name" in each:
            each["name"] = local_name(project, namespace, each["name"])


def _expanded(word: str, container: Manifest, literals: Mapping[str, str]) -> str:
    values = {**literals, **{each["name"]: each["value"] for each in container.get("env", []) if "value" in each}}
    return re.sub(r"\$\((\w+)\)", lambda match: values.get(match[1], match[0]), word)


def _fit(resources: Manifest) -> None:
    """Remove requests that cannot be met here: more CPUs than this machine has, and GPUs, which podman 4.3 ignores."""
    for kind in ("requests", "limits"):
        wanted = resources.get(kind, {})
        resources[kind] = {
            name: amount
            for name, amount in wanted.items()
            if name == "memory" or (name == "cpu" and _cores(amount) <= (os.cpu_count() or 1))
        }


def _cores(amount: object) -> float:
    text = str(amount)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)

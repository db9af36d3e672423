"""The services of a rendered overlay, run by podman: PostgreSQL, SeaweedFS, MLflow, and the Jobs that prepare them.

All objects start at once and settle as on a cluster: a Job that fails because its server is not up yet is retried.
A Service becomes DNS names of its pod, so that ``mlflow``, ``mlflow.mlops`` and ``mlflow.mlops.svc.cluster.local``
resolve. Its ports are also published on 127.0.0.1, under other numbers.
"""

import base64
import hashlib
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from merflow.errors import PipelineError
from merflow.pipelines.rehearsal.for_podman import ForPodman, for_podman, local_name, make_scratch
from merflow.pipelines.rehearsal.overlay import Manifest, pod_of, secret_data, service_names
from merflow.pipelines.rehearsal.podman import Podman

_PROJECT_LABEL = "merflow.io/project"
_DIGEST_LABEL = "merflow.io/manifest"
_TRIES = 20  # of a Job, like backoffLimit in the manifests
_PAUSE_S, _GROWTH, _LONGEST_PAUSE_S = 3.0, 1.3, 30.0
_PATIENCE_S = 600.0
_HOST = "127.0.0.1"


@dataclass
class Services:
    """The services of one rendered overlay.

    Attributes:
        podman: Podman.
        manifests: Kubernetes objects of the overlay.
        scratch: Folder for files that the pods need only while they run.
        project: Prefix of the names of all podman objects; also the name of the network.
        tell: Called with each line of progress.
        stopping: Event that ends all waiting.
    """

    podman: Podman
    manifests: list[Manifest]
    scratch: Path
    project: str = "merflow"
    tell: Callable[[str], None] = lambda _: None
    stopping: threading.Event = field(default_factory=threading.Event)
    _ports: dict[tuple[str, int], int] = field(default_factory=dict)

    def up(self) -> None:
        """Start everything; wait until the servers are ready and the Jobs have succeeded.

        Raises:
            PipelineError: A server does not become ready, or a Job keeps failing; the message has its last log lines.
        """
        self.podman.add_network(self.project)
        self.add_secrets()
        with ThreadPoolExecutor(max_workers=16) as pool:
            started = [pool.submit(self._serve, pod_of(each)) for each in self._servers()]
            started += [pool.submit(self._finish, pod_of(each)) for each in self._of_kind("Job")]
            errors = [error for each in started if (error := each.exception())]
        if errors:
            raise errors[0]

    def down(self, *, volumes: bool) -> None:
        """Remove the pods; with ``volumes``, also their volumes and Secrets."""
        self.podman.remove_pods(*self.podman.pods(label=f"{_PROJECT_LABEL}={self.project}"))
        self.podman.remove_folder(self.scratch)
        if volumes:
            self.podman.remove_all(prefix=f"{self.project}-")

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """Return the decoded values of a Secret.

        Raises:
            PipelineError: There is no such Secret.
        """
        for each in self._of_kind("Secret"):
            if (each["metadata"].get("namespace", "default"), each["metadata"]["name"]) == (namespace, name):
                return {key: base64.b64decode(value).decode() for key, value in secret_data(each).items()}
        raise PipelineError(f"the manifests have no Secret {name} in the namespace {namespace}; add it to the overlay")

    def add_secrets(self) -> None:
        """Create all Secrets in podman."""
        for each in self._of_kind("Secret"):
            metadata = each["metadata"]
            name = local_name(self.project, metadata.get("namespace", "default"), metadata["name"])
            self.podman.add_secret(name, secret_data(each))

    def published(self, url: str) -> str:
        """Return the URL on this machine for a Service's URL inside the network.

        Raises:
            PipelineError: No Service of the overlay has that name and port.
        """
        parts = urlsplit(url)
        for service in self._of_kind("Service"):
            pod = self._pod_behind(service)
            if pod and parts.hostname in service_names(service) and (pod, parts.port) in self._ports:
                return f"{parts.scheme}://{_HOST}:{self._ports[pod, int(parts.port or 0)]}"
        raise PipelineError(f"the overlay has no Service at {url}; name one of them, as in http://seaweedfs.mlops:8333")

    def addresses(self) -> list[str]:
        """Return one line per port published on this machine."""
        return [f"{name}:{port} is {_HOST}:{number}" for (name, port), number in sorted(self._ports.items())]

    def _serve(self, pod: Manifest) -> None:
        """Start a server if it is not running, and wait until it is ready."""
        name = pod["metadata"]["name"]
        (container,) = pod["spec"]["containers"]
        until_s = time.monotonic() + _PATIENCE_S
        if self._is_there(pod, status="running"):
            self._ports.update({(name, port): number for port, number in self.podman.ports(self._local(name)).items()})
        else:
            self._publish(pod)
            made = self._prepared(pod, restarts=True)
            for init in made.inits:
                while failed := self._failed_container(init):
                    self._check(failed, until_s)
                    self.stopping.wait(_PAUSE_S)
            self._play(made.main, name)
        while not self._ready(name, container):
            self._check(self._container(pod), until_s)
            self.stopping.wait(_PAUSE_S / 3)
        self.tell(f"{name} is ready")

    def _finish(self, job: Manifest) -> None:
        """Run a Job until it succeeds, unless it has already succeeded."""
        name = job["metadata"]["name"]
        if self._is_there(job, status="exited"):
            return
        for attempt in range(_TRIES):
            if attempt:
                self.stopping.wait(min(_LONGEST_PAUSE_S, _PAUSE_S * _GROWTH**attempt))
            made = self._prepared(job, restarts=False)
            failed = next((bad for pod in (*made.inits, made.main) if (bad := self._failed_container(pod))), "")
            if self.stopping.is_set():
                return
            if not failed:
                self.tell(f"{name} is done")
                return
        raise PipelineError(f"{name} failed {_TRIES} times; its log ends with: {_tail(self.podman.logs(failed))}")

    def _is_there(self, pod: Manifest, *, status: str) -> bool:
        """Return True if an earlier start left exactly this pod in this status; a failed pod does not count."""
        label = f"{_DIGEST_LABEL}={self._digest(pod)}"
        state = self.podman.state(self._container(pod))
        in_status = state is not None and state["Status"] == status and not state["ExitCode"]
        return in_status and self._local(pod["metadata"]["name"]) in self.podman.pods(label=label)

    def _failed_container(self, made: Manifest) -> str:
        """Run a pod to its end; return the name of the container that failed, or an empty string."""
        self._play(made, "")
        for each in made["spec"]["containers"]:
            name = f"{made['metadata']['name']}-{each['name']}"
            state = self.podman.ended(name, self.stopping, until_s=time.monotonic() + _PATIENCE_S)
            if not state or state["Status"] == "running" or state["ExitCode"]:
                return name
        return ""

    def _prepared(self, pod: Manifest, *, restarts: bool) -> ForPodman:
        """Return the pod in the form that podman plays, after creating its volumes."""
        literals = self._literals(pod)
        folder = self.scratch / str(pod["metadata"]["name"])
        made = for_podman(
            pod, project=self.project, scratch=folder, restarts=restarts, literals=literals, host_ports=self._ports
        )
        self.podman.remove_folder(folder)
        make_scratch(made.scratch)
        for claim in made.claims:
            self.podman.add_volume(claim, mode=0o2770, group=made.group)
        own = {_PROJECT_LABEL: self.project, _DIGEST_LABEL: self._digest(pod)}
        for one in (*made.inits, made.main):
            one["metadata"]["labels"] = {**one["metadata"].get("labels", {}), **own}
            one["metadata"]["name"] = self._local(one["metadata"]["name"])
        return made

    def _play(self, made: Manifest, server: str) -> None:
        """Start a pod under the DNS names of the Services that select this server."""
        services = [each for each in self._of_kind("Service") if server and self._pod_behind(each) == server]
        aliases = [alias for each in services for alias in service_names(each)]
        maps = [each for each in self._config_maps() if each["metadata"]["name"] in str(made["spec"])]
        self.podman.remove_pods(made["metadata"]["name"])
        self.podman.play([*maps, made], network=self.project, aliases=aliases)

    def _local(self, name: str) -> str:
        return f"{self.project}-{name}"

    def _container(self, pod: Manifest) -> str:
        """Return podman's name of a pod's last container."""
        return f"{self._local(pod['metadata']['name'])}-{pod['spec']['containers'][-1]['name']}"

    def _digest(self, pod: Manifest) -> str:
        """Return a digest of a pod and all Secrets and ConfigMaps; if it changes, the pod is restarted."""
        read = [each for each in self.manifests if each["kind"] in ("Secret", "ConfigMap")]
        return hashlib.sha256(json.dumps([pod, read], sort_keys=True).encode()).hexdigest()[:16]

    def _config_maps(self) -> Iterator[Manifest]:
        for each in self._of_kind("ConfigMap"):
            metadata = each["metadata"]
            name = local_name(self.project, metadata.get("namespace", "default"), metadata["name"])
            yield {**each, "metadata": {"name": name}}

    def _literals(self, pod: Manifest) -> dict[str, str]:
        """Return the data of the ConfigMaps in the pod's environment."""
        spec: Manifest = pod["spec"]
        found: dict[str, str] = {}
        named = [
            source["configMapRef"]["name"]
            for container in spec["containers"]
            for source in container.get("envFrom", [])
            if "configMapRef" in source
        ]
        for each in self._of_kind("ConfigMap"):
            if each["metadata"]["name"] in named:
                found.update(each["data"])
        return found

    def _publish(self, pod: Manifest) -> None:
        """Choose a free port of this machine for each port of a server."""
        for port in pod["spec"]["containers"][0].get("ports", []):
            with socket.socket() as probe:
                probe.bind((_HOST, 0))
                self._ports[pod["metadata"]["name"], port["containerPort"]] = probe.getsockname()[1]

    def _ready(self, name: str, container: Manifest) -> bool:
        probe = container.get("readinessProbe", {})
        if "exec" in probe:
            try:
                self.podman.call("exec", f"{self._local(name)}-{container['name']}", *probe["exec"]["command"])
            except PipelineError:
                return False
            return True
        if "httpGet" not in probe:
            return True
        numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
        port = numbers.get(probe["httpGet"]["port"], probe["httpGet"]["port"])
        try:
            with urllib.request.urlopen(
                f"http://{_HOST}:{self._ports[name, port]}{probe['httpGet']['path']}", timeout=5
            ) as answer:
                return int(answer.status) < 400
        except OSError:
            return False

    def _check(self, container: str, until: float) -> None:
        if self.stopping.is_set():
            raise PipelineError(f"{container} was stopped")
        if time.monotonic() > until:
            words = _tail(self.podman.logs(container))
            raise PipelineError(f"{container} is not ready after {_PATIENCE_S:g} s; its log ends with: {words}")

    def _pod_behind(self, service: Manifest) -> str | None:
        """Return the name of the pod that a Service selects."""
        wanted = service["spec"].get("selector", {}).items()
        for each in self._servers():
            if wanted <= each["spec"]["template"]["metadata"]["labels"].items():
                return str(each["metadata"]["name"])
        return None

    def _servers(self) -> Iterator[Manifest]:
        yield from self._of_kind("Deployment")
        yield from self._of_kind("StatefulSet")

    def _of_kind(self, kind: str) -> Iterator[Manifest]:
        return (each for each in self.manifests if each["kind"] == kind)


def _tail(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-3:]) or "none"

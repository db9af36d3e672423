"""A rehearsal from its start to its end: the services, the steps, the outputs."""

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merflow.contracts.pipeline_steps import StepTime, Watcher
from merflow.errors import PipelineError
from merflow.pipelines.lint.package import Package
from merflow.pipelines.rehearsal import launcher
from merflow.pipelines.rehearsal.graph import Graph, arguments_of, check_graph
from merflow.pipelines.rehearsal.journal import Journal
from merflow.pipelines.rehearsal.pod import RUN_LABEL, Place, Store
from merflow.pipelines.rehearsal.podman import Podman
from merflow.pipelines.rehearsal.services import Services
from merflow.pipelines.rehearsal.steps import Steps

NAMESPACE = "merflow"  # of the pods of runs, in infra/kustomize
# KFP's artifacts in the S3 of infra/kustomize/components/seaweedfs.
STORE = Store(
    endpoint="http://seaweedfs.mlops:8333",
    root="s3://merflow/kfp",
    secret="merflow",
    access_key="RUNS_ACCESS_KEY",
    secret_key="RUNS_SECRET_KEY",
)
_FETCH_TRIES = 10
_FETCH_PAUSE_S = 3.0


@dataclass(frozen=True)
class Settings:
    """The choices of a rehearsal.

    Attributes:
        user: User ID of the pods, such as a cluster would choose.
        parallel: Steps, and items of a loop, at the same time.
        backoff_scale: Backoffs are shorter by this factor.
        project: Prefix of the names of all podman objects.
        store: KFP's artifacts.
    """

    user: int
    parallel: int
    backoff_scale: float
    project: str
    store: Store


@dataclass(frozen=True)
class Rehearsed:
    """A finished rehearsal.

    Attributes:
        outputs: Files of the pipeline's outputs by name.
        steps: In the order in which they started.
        attempts: Path and outcome of every pod, in the order in which they ended.
        seconds: Wall time.
    """

    outputs: dict[str, Path]
    steps: tuple[StepTime, ...]
    attempts: tuple[str, ...]
    seconds: float


@dataclass
class _Timed:
    """Passes everything on to a watcher, and measures the steps."""

    watcher: Watcher
    steps: dict[str, StepTime] = field(default_factory=dict)
    _started_s: dict[str, float] = field(default_factory=dict)

    def step_started(self, step: str) -> None:
        self.steps.setdefault(step, StepTime(step))
        self._started_s.setdefault(step, time.monotonic())
        self.watcher.step_started(step)

    def step_finished(self, step: str, *, cached: bool) -> None:
        known = self.steps[step]
        known.cached += cached
        known.ran += not cached
        known.seconds = time.monotonic() - self._started_s[step]
        self.watcher.step_finished(step, cached=cached)

    def job_line(self, line: str) -> None:
        self.watcher.job_line(line)


def rehearse(
    package: Package,
    arguments: Mapping[str, Any],
    *,
    services: Services,
    settings: Settings,
    out: Path,
    watcher: Watcher,
    stopping: threading.Event,
) -> Rehearsed:
    """Run a package in containers; steps that finished in an earlier rehearsal in the same folder are not repeated.

    Args:
        package: The compiled package.
        arguments: Parameters of the run.
        services: The services, which have to be up.
        settings: The choices.
        out: Folder for logs, finished steps and outputs.
        watcher: Notified of steps and job lines, from several threads but one at a time.
        stopping: Set from outside to terminate all pods; finished steps stay finished.

    Raises:
        PipelineError: The package contains something that a rehearsal does not support, or a step failed.
    """
    check_graph(package)
    values = arguments_of(package, arguments)
    started_s = time.monotonic()
    place = Place(run=_run_name(out), namespace=NAMESPACE, user=settings.user, store=settings.store)
    timed = _Timed(watcher)
    podman = services.podman
    with _no_pods_left(podman, place):
        steps = Steps(
            package=package,
            place=place,
            podman=podman,
            project=settings.project,
            journal=Journal(out / "steps"),
            logs=out / "logs",
            scratch=services.scratch / place.run,
            backoff_scale=settings.backoff_scale,
            watcher=timed,
            stopping=stopping,
        )
        made = Graph(package, steps.run, settings.parallel, stopping).execute(values)
    outputs = {name: out / name for name in made.artifacts}
    for name, (artifact,) in made.artifacts.items():
        _fetch(artifact["uri"], outputs[name], services=services, store=settings.store)
    seconds = time.monotonic() - started_s
    return Rehearsed(outputs, tuple(timed.steps.values()), tuple(steps.attempts), seconds)


def images(package: Package) -> list[str]:
    """Return the images of a package's steps."""
    return sorted({str(pod.container["image"]) for _, pod in package.steps})


@contextmanager
def _no_pods_left(podman: Podman, place: Place) -> Iterator[None]:
    """Remove the pods of this run before it, which an earlier one may have left, and after it."""
    label = f"{RUN_LABEL}={place.run}"
    podman.remove_pods(*podman.pods(label=label))
    try:
        yield
    finally:
        podman.remove_pods(*podman.pods(label=label))


def _fetch(uri: str, path: Path, *, services: Services, store: Store) -> None:
    """Fetch an output from S3, which may be restarting after a fault."""
    keys = services.secret(NAMESPACE, store.secret)
    client = launcher.connect(services.published(store.endpoint), keys[store.access_key], keys[store.secret_key])
    for attempt in range(_FETCH_TRIES):
        part = path.with_name(f".{path.name}.part")
        try:
            launcher.download(client, uri, part)
        except Exception as error:  # botocore's, which this room does not import
            if attempt + 1 == _FETCH_TRIES:
                raise PipelineError(f"cannot fetch {uri}: {error}; run the rehearsal again to resume") from error
            time.sleep(_FETCH_PAUSE_S)
            continue
        if path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
        return


def _run_name(out: Path) -> str:
    """Return a short name that is the same for every rehearsal in a folder."""
    return f"r{hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:8]}"

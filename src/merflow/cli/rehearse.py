"""``merflow pipeline rehearse``: a package in containers on this machine, before it goes to a cluster."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from merflow.cli.console import ERR, INTERRUPTED, OUT, print_json, print_table
from merflow.cli.interrupts import INTERRUPTED_CODE
from merflow.cli.live import LiveRun, Loop, steps_table
from merflow.cli.options import JsonOption
from merflow.cli.packages import kfp_packages
from merflow.errors import PipelineError
from merflow.storage.local import output_errors

_LOOPS = {"train": Loop(None, "folds"), "run-trials": Loop(None, "workers")}


def rehearse_package(
    package: Annotated[Path, typer.Argument(help="A package, as `merflow pipeline compile` writes it.")],
    services: Annotated[
        Path,
        typer.Option(
            help="The services: an overlay such as infra/kustomize/overlays/podman, or the file of one rendered."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Write the rehearsal to this folder. Repeat the command to resume it; finished steps are reused."
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Option(
            "--arg", metavar="NAME=VALUE", help="Set a parameter of the run; lists are JSON. Can be repeated."
        ),
    ] = None,
    user: Annotated[
        int, typer.Option(min=1, help="Run the pods under this user ID, such as a cluster would choose.")
    ] = 1000680000,
    parallel: Annotated[int, typer.Option(min=1, help="Run this many steps or folds at the same time.")] = 2,
    backoff_scale: Annotated[
        float, typer.Option(min=0.0, help="Scale the package's waits before retries by this factor.")
    ] = 0.1,
    project: Annotated[
        str,
        typer.Option(
            help="Start the names of all podman objects with this; choose another one for a second rehearsal."
        ),
    ] = "merflow",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the services and their data, whatever the outcome.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a package in containers on this machine, with podman, as a cluster would run it.

    Each step becomes the Pod that KFP would create for it: the package's image, resources and Secrets, another user ID,
    a read-only root filesystem, no shared folder except the package's own PVC. Artifacts pass through S3, MLflow uses
    PostgreSQL with basic auth, and a failed step is retried under Argo's rules.

    It replaces neither Argo nor a kubelet: nothing is scheduled, no quota, network policy or cache applies, and no GPU
    is passed on. A package that passes here may still fail on a cluster.

    Example: `merflow pipeline rehearse packages/benchmark.yaml --services infra/kustomize/overlays/podman
    --arg 'models=["context-mmt:mmt-frozen"]' --arg size=tiny --out runs/rehearsal`
    """
    kfp_packages()
    from merflow.pipelines.lint.package import Package
    from merflow.pipelines.rehearsal.overlay import rendered
    from merflow.pipelines.rehearsal.podman import Podman
    from merflow.pipelines.rehearsal.rehearsal import STORE, Settings, images, rehearse
    from merflow.pipelines.rehearsal.services import Services

    read = Package.read(package)
    values = _values(arguments or [], read.parameters)
    stopping, podman = threading.Event(), Podman()
    for image in images(read):
        podman.check(image)
    played = Services(
        podman, rendered(services), scratch=out / "scratch", project=project, tell=_say, stopping=stopping
    )
    settings = Settings(user=user, parallel=parallel, backoff_scale=backoff_scale, project=project, store=STORE)
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        loops = {task.name: _LOOPS[task.name] for task in read.tasks if task.in_loop and task.name in _LOOPS}
        with _interruptible(stopping), _services(played, keep=keep, stopping=stopping), LiveRun(ERR, loops) as live:
            finished = rehearse(
                read, values, services=played, settings=settings, out=out, watcher=live, stopping=stopping
            )
    if as_json:
        print_json({"outputs": {name: str(path) for name, path in finished.outputs.items()}, "pods": finished.attempts})
        return
    print_table(steps_table(finished.steps, seconds=finished.seconds))
    for name, path in finished.outputs.items():
        OUT.print(f"{name}: {path}", markup=False)


def _values(given: list[str], parameters: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the arguments with the types that the package's parameters have."""
    from merflow.pipelines.rehearsal.inputs import parsed

    values = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise PipelineError(f"--arg {text}: give a name and a value, as in size=tiny")
        kind = parameters.get(name, {}).get("parameterType", "STRING")
        try:
            values[name] = parsed(value, kind)
        except ValueError as error:
            raise PipelineError(f"--arg {text}: parameter {name} takes a {kind} as JSON ({error})") from error
    return values


@contextmanager
def _services(played: Any, *, keep: bool, stopping: threading.Event) -> Iterator[None]:  # noqa: ANN401 - needs KFP
    """Start the services; stop them afterwards, and delete their data after a rehearsal that succeeded."""
    done = False
    try:
        played.up()
        yield
        done = True
    except PipelineError:
        if stopping.is_set():
            ERR.print(INTERRUPTED)
            raise typer.Exit(INTERRUPTED_CODE) from None
        raise
    finally:
        if keep:
            for line in played.addresses():
                _say(line)
        else:
            played.down(volumes=done)


@contextmanager
def _interruptible(stopping: threading.Event) -> Iterator[None]:
    """End all pods on Ctrl-C, which podman's own processes do not see."""
    before = signal.signal(signal.SIGINT, lambda *_: stopping.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _say(line: str) -> None:
    ERR.print(line, markup=False)

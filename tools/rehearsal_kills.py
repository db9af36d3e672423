"""A test that kills pods and the S3 server at random during rehearsals, and checks the outcome.

``python -m tools.rehearsal_kills --kills 20 --out FOLDER``, with podman, the image of the steps, and
``MERFLOW_BASE_IMAGE`` (docs/rehearsal.md). A rehearsal that stops with an error is started again and resumes. Once
all kills are used up, the last rehearsal must end with the results of a run without containers. ``kills.json`` in the
folder records each kill and each outcome.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merflow.contracts.results import read_results

_STARTS = 30
_PAUSE_S = (10.0, 60.0)  # between two kills, so that some steps can finish
_NEVER_TWICE_S = 20.0  # the server needs this long to come back


@dataclass
class Killer:
    """A random killer of processes in containers; it sends SIGKILL, like a node that runs out of memory.

    Attributes:
        project: Prefix of the names of the services' pods.
        seed: Seed of the choices.
        kills: Number of kills.
        servers: True to kill the S3 server as well.
        killed: Victims so far.
    """

    project: str
    seed: int
    kills: int
    servers: bool = True
    killed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._next_s = 0.0
        self._server_s = 0.0

    def maybe_kill(self) -> None:
        """Kill a running step's pod or the S3 server, if the next kill is due."""
        now_s = time.monotonic()
        if len(self.killed) >= self.kills or now_s < self._next_s:
            return
        pods = _running(self.project)
        if not pods:
            return
        victim = self._random.choice(pods)
        server = f"{self.project}-seaweedfs-seaweedfs"
        if self.servers and self._random.random() < 0.4 and now_s - self._server_s > _NEVER_TWICE_S:
            victim, self._server_s = server, now_s
        if _kill(victim):
            self.killed.append(victim)
            self._next_s = now_s + self._random.uniform(*_PAUSE_S)


def differences(one: Path, other: Path) -> list[str]:
    """Return the differences between two results files, except a run's own command, time and machine."""
    first, second = (read_results(path).model_dump(mode="json") for path in (one, other))
    return list(_different(first, second, ""))


def main() -> int:
    """Rehearse until the kills are used up and a rehearsal has finished; return 0 if its results are correct."""
    from tests.pipelines.rehearsal import stage as stages

    parser = argparse.ArgumentParser(prog="python -m tools.rehearsal_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if reason := stages.missing():
        print(reason, file=sys.stderr)
        return 2
    options.out.mkdir(parents=True)
    stage = stages.prepare(options.out, project="merflow-kills")
    expected = stages.run_here(options.out / "here")
    killer = Killer(project=stage.project, seed=options.seed, kills=options.kills)
    ends: list[dict[str, Any]] = []
    rehearsals = 0
    while len(ends) < _STARTS and (len(killer.killed) < options.kills or not ends or ends[-1]["code"]):
        out = options.out / f"out-{rehearsals}"
        ends.append(_rehearse(stage.command(out, "--keep"), killer, log=options.out / f"{len(ends)}.log"))
        if ends[-1]["code"] == 0:
            ends[-1]["differences"] = differences(out / "results", expected)
            rehearsals += 1
        content = {"killed": killer.killed, "ends": ends}
        (options.out / "kills.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
        print(f"{len(killer.killed)} kills, {ends[-1]}", flush=True)
    wrong = [end for end in ends if end.get("differences")]
    unclear = [end for end in ends if end["code"] not in (0, 2)]
    right = rehearsals - len(wrong)
    print(f"{len(killer.killed)} kills, {len(ends)} starts, {right} right, {len(wrong)} wrong, {len(unclear)} unclear")
    return int(bool(wrong or unclear or not rehearsals))


def _rehearse(command: list[str], killer: Killer, *, log: Path) -> dict[str, Any]:
    """Run one rehearsal to its end; return its exit code, its last line of output and the number of kills."""
    before = len(killer.killed)
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
        while process.poll() is None:
            killer.maybe_kill()
            time.sleep(0.5)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return {"code": process.returncode, "said": lines[-1] if lines else "", "kills": len(killer.killed) - before}


def pods_of_runs(project: str) -> list[str]:
    """Return the names of the step pods in this project's rehearsals; other pods may be running as well."""
    filters = ("--filter=label=merflow.io/rehearsal", f"--filter=network={project}")
    command = ["podman", "pod", "ps", *filters, "--format={{.Name}}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def _running(project: str) -> list[str]:
    """Return the running containers of steps."""
    listed = subprocess.run(
        ["podman", "ps", "--format", "{{.Names}}", "--filter", "status=running"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return sorted({f"{pod}-main" for pod in pods_of_runs(project)} & set(listed))


def _kill(container: str) -> bool:
    found = subprocess.run(
        ["podman", "container", "inspect", "--format", "{{.State.Pid}}", container],
        capture_output=True,
        text=True,
        check=False,
    )
    process = int(found.stdout.strip() or 0) if found.returncode == 0 else 0
    if not process:
        return False
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _different(one: Any, other: Any, where: str) -> Any:  # noqa: ANN401 - parsed JSON
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _different(one.get(key), other.get(key), f"{where}.{key}" if where else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _different(left, right, f"{where}.{number}")
    elif one != other:
        yield f"{where}: {one!r} and {other!r}"


if __name__ == "__main__":
    sys.exit(main())

"""Load on ``merflow serve`` and on ``mlflow models serve`` of the same registered version, in the same run.

``python -m benchmarks.serve`` trains a small model on the synthetic corpus, registers it in a database of its own,
starts one server after the other, and sends both the same clips with 1, 8 and 32 clients. They take turns, so that a
slower minute of the machine meets both. Then only merflow is asked, while its memory is watched. ``--run`` takes a
finished, tracked benchmark instead. Both servers get two cores; the clients share them.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.record import write_result
from merflow.corpus.manifest import read_manifest
from merflow.runs.workspace import Workspace
from tests.programs import free_ports

VARIANT = "context-mmt:mmt-frozen"
CLIENTS = (1, 8, 32)
_CLIPS = 24
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, eq=False)
class Target:
    """A server under load.

    Attributes:
        name: Its name in the result.
        command: The command that starts it.
        port: Its port.
        probe: Path that answers 200 once it is ready.
        path: Path of predictions.
        bodies: One request per clip.
    """

    name: str
    command: Sequence[str]
    port: int
    probe: str
    path: str
    bodies: Sequence[bytes]


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a finished benchmark that was tracked")
    parser.add_argument("--requests", type=int, default=200, help="requests per turn of a server")
    parser.add_argument("--turns", type=int, default=5, help="turns of each server per number of clients")
    parser.add_argument("--memory-requests", type=int, default=10_000, help="requests while memory is watched")
    parser.add_argument("--no-record", action="store_true", help="print only")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as scratch:
        run = arguments.run or _trained(Path(scratch) / "run")
        location, uri = _registered(run)
        targets = _targets(location, uri, run)
        with ExitStack() as stack:
            running = {target: stack.enter_context(_running(target, uri)) for target in targets}
            starts = {
                target.name: {"ready_s": each.ready_s, "first_answer_s": each.first_answer_s}
                for target, each in running.items()
            }
            load, ratios = _compared(running, requests=arguments.requests, turns=arguments.turns)
        with _running(targets[0], uri) as server:
            memory = _memory(targets[0], server.process, requests=arguments.memory_requests)
    figures = {"start": starts, "load": load, "throughput_ratios": ratios, "memory": memory}
    print(json.dumps(figures, indent=2))
    if not arguments.no_record:
        write_result("serve", {**figures, "requests": arguments.requests, "turns": arguments.turns})


def _merflow(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "merflow", *map(str, words)], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _trained(run: Path) -> Path:
    few = ("--set", "training.max_epochs=2", "--set", "splits.protocol=session5-only")  # speed, not quality
    _merflow("benchmark", "--corpus", "synthetic", "--size", "tiny", "--models", VARIANT, "--out", run, *few)
    return run


def _registered(run: Path) -> tuple[str, str]:
    """Return the location of the registered version of the best variant, and its database."""
    said = json.loads(_merflow("registry", "register", run, "best", "--stress-utterances", 0, "--json"))
    return f"models:/{said['name']}/{said['version']}", str(said.get("uri") or Workspace(run).tracking_uri)


def _targets(location: str, uri: str, run: Path) -> tuple[Target, Target]:
    manifest = read_manifest(run / "manifest.parquet")
    rows = manifest.rows[manifest.rows["audio_path"].notna()].head(_CLIPS)
    clips = [
        (base64.b64encode((manifest.root / row.audio_path).read_bytes()).decode(), str(row.transcript or "hello"))
        for row in rows.itertuples()
    ]
    ours, theirs = free_ports(2)
    serve = [sys.executable, "-m", "merflow", "serve", location, "--tracking-uri", uri, "--name", "m"]
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", location, "--env-manager", "local"]
    return (
        Target(
            "merflow",
            [*serve, "--port", str(ours), "--device", "cpu"],
            ours,
            "/v2/health/ready",
            "/v1/models/m:predict",
            [json.dumps({"instances": [{"audio": audio, "text": text}]}).encode() for audio, text in clips],
        ),
        Target(
            "mlflow",
            [*mlflow, "--port", str(theirs)],
            theirs,
            "/ping",
            "/invocations",
            [
                json.dumps({"dataframe_records": [{"audio": f"data:audio/wav;base64,{audio}", "text": text}]}).encode()
                for audio, text in clips
            ],
        ),
    )


@dataclass(frozen=True)
class _Started:
    """A server that has answered once; seconds count from the start of its process."""

    process: psutil.Process
    ready_s: float
    first_answer_s: float


@contextmanager
def _running(target: Target, uri: str) -> Iterator[_Started]:
    """Start a server, and stop it at the end of the block."""
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        child = subprocess.Popen(target.command, stdout=log, stderr=log, env={**os.environ, "MLFLOW_TRACKING_URI": uri})
        process = psutil.Process(child.pid)
        try:
            while not _is_ready(target):
                if child.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"{target.name} ended:\n{log.read().decode(errors='replace')[-3000:]}")
                time.sleep(0.1)
            ready_s = time.monotonic() - began
            _ask(target, "POST", target.path, target.bodies[0])
            yield _Started(process, round(ready_s, 1), round(time.monotonic() - began, 1))
        finally:
            for each in (*process.children(recursive=True), process):
                each.terminate()
            child.wait(60)


def _compared(
    running: Mapping[Target, _Started], *, requests: int, turns: int
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Return the figures by server and number of clients, and merflow's throughput to MLflow's in every turn."""
    for target in running:
        _load(target, clients=32, requests=100)  # starts all threads and processes
    load: dict[str, Any] = {target.name: {} for target in running}
    ratios = {}
    for clients in CLIENTS:
        loads: dict[str, list[_Load]] = {target.name: [] for target in running}
        spent = {target.name: 0.0 for target in running}
        for _ in range(turns):
            for target, server in running.items():
                before = _cpu_s(server.process)
                loads[target.name].append(_load(target, clients=clients, requests=requests))
                spent[target.name] += _cpu_s(server.process) - before
        for name, each in loads.items():
            load[name][str(clients)] = _summary(each) | {"cpu_ms": round(1000 * spent[name] / (requests * turns), 1)}
        ratios[str(clients)] = [
            round(theirs.seconds / ours.seconds, 2)
            for ours, theirs in zip(loads["merflow"], loads["mlflow"], strict=True)
        ]
        print(f"{clients} clients: {json.dumps({name: each[str(clients)] for name, each in load.items()})}")
    return load, ratios


def _memory(target: Target, process: psutil.Process, *, requests: int) -> dict[str, Any]:
    """Return the memory of a server before and after many requests, of all its processes together."""
    _load(target, clients=32, requests=1000)  # after it, everything is loaded and every pool is full
    before = _resident_mib(process)
    answered = _load(target, clients=8, requests=requests)
    return {
        "requests": requests,
        "errors": answered.errors,
        "processes": 1 + len(process.children(recursive=True)),
        "before_mib": round(before),
        "after_mib": round(_resident_mib(process)),
    }


def _is_ready(target: Target) -> bool:
    try:
        return _ask(target, "GET", target.probe, None) == 200
    except OSError:
        return False


def _ask(target: Target, method: str, path: str, body: bytes | None) -> int:
    connection = HTTPConnection("127.0.0.1", target.port, timeout=120)
    try:
        connection.request(method, path, body, _JSON)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@dataclass(frozen=True)
class _Load:
    """Requests that were sent and answered: all together in ``seconds``, each in one of ``each_ms``."""

    seconds: float
    each_ms: tuple[float, ...]
    errors: int


def _load(target: Target, *, clients: int, requests: int) -> _Load:
    """Send requests from threads; each sends its next one when the last is answered."""
    bodies = list(islice(cycle(target.bodies), requests))

    def timed(body: bytes) -> tuple[float, bool]:
        started = time.monotonic()
        try:
            right = _ask(target, "POST", target.path, body) == 200
        except OSError:
            right = False
        return 1000 * (time.monotonic() - started), right

    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        answered = list(pool.map(timed, bodies))
    seconds = time.monotonic() - started
    return _Load(seconds, tuple(spent for spent, _ in answered), sum(not right for _, right in answered))


def _summary(loads: Sequence[_Load]) -> dict[str, float]:
    """Return the figures of all turns together."""
    spent = [each for load in loads for each in load.each_ms]
    p50, p95, p99 = (round(float(value), 1) for value in np.percentile(spent, [50, 95, 99]))
    return {
        "per_s": round(len(spent) / sum(load.seconds for load in loads), 1),
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "errors": sum(load.errors for load in loads),
    }


def _cpu_s(process: psutil.Process) -> float:
    """Return the processor time of a server so far, which other programs on the machine hardly change."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def _resident_mib(process: psutil.Process) -> float:
    total = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    return float(total) / 2**20


if __name__ == "__main__":
    main()

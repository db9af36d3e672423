"""Load on ``merflow serve`` and on ``mlflow models serve`` of the same registered version, in the same run.

``python -m benchmarks.serve`` trains a small model on the synthetic corpus, registers it in a database of its own,
starts one server after the other, and sends the same clips with 1, 8 and 32 clients. ``--run`` takes a finished,
tracked benchmark instead. Both servers get two cores; the clients share them.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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


@dataclass(frozen=True)
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
    parser.add_argument("--requests", type=int, default=1000, help="requests per number of clients")
    parser.add_argument("--memory-requests", type=int, default=10_000, help="requests while memory is watched")
    parser.add_argument("--no-record", action="store_true", help="print only")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as scratch:
        run = arguments.run or _trained(Path(scratch) / "run")
        location, uri = _registered(run)
        figures = {
            target.name: _measured(
                target, requests=arguments.requests, memory_requests=arguments.memory_requests, uri=uri
            )
            for target in _targets(location, uri, run)
        }
    ratios = {
        f"{clients} clients": figures["merflow"]["load"][str(clients)]["per_s"]
        / figures["mlflow"]["load"][str(clients)]["per_s"]
        for clients in CLIENTS
    }
    print(json.dumps({"throughput, merflow to mlflow": ratios}, indent=2))
    if not arguments.no_record:
        write_result("serve", {"servers": figures, "throughput_ratios": ratios, "requests": arguments.requests})


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


def _measured(target: Target, *, requests: int, memory_requests: int, uri: str) -> dict[str, Any]:
    """Start a server, load it, and stop it."""
    started = time.monotonic()
    with _running(target, uri) as process:
        ready_s = time.monotonic() - started
        _load(target, clients=1, requests=20)
        load = {}
        for clients in CLIENTS:
            spent = _cpu_s(process)
            load[str(clients)] = _load(target, clients=clients, requests=requests)
            load[str(clients)]["cpu_ms"] = round(1000 * (_cpu_s(process) - spent) / requests, 1)
            print(f"{target.name}, {clients} clients: {json.dumps(load[str(clients)])}")
        before = _resident_mib(process)
        _load(target, clients=8, requests=memory_requests)
        after = _resident_mib(process)
        print(
            f"{target.name}: ready in {ready_s:.1f} s; {before:.0f} MiB, {memory_requests} requests later {after:.0f}"
        )
        return {"ready_s": ready_s, "load": load, "resident_mib": [before, after], "memory_requests": memory_requests}


@contextmanager
def _running(target: Target, uri: str) -> Iterator[psutil.Process]:
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(target.command, stdout=log, stderr=log, env={**os.environ, "MLFLOW_TRACKING_URI": uri})
        process = psutil.Process(child.pid)
        try:
            while not _is_ready(target):
                if child.poll() is not None:
                    log.seek(0)
                    raise SystemExit(f"{target.name} ended:\n{log.read().decode(errors='replace')[-3000:]}")
                time.sleep(0.1)
            yield process
        finally:
            for each in (*process.children(recursive=True), process):
                each.terminate()
            child.wait(60)


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


def _load(target: Target, *, clients: int, requests: int) -> dict[str, float]:
    """Send requests from threads; each sends its next one when the last is answered."""
    bodies = list(islice(cycle(target.bodies), requests))

    def timed(body: bytes) -> tuple[float, bool]:
        started = time.monotonic()
        try:
            right = _ask(target, "POST", target.path, body) == 200
        except OSError:
            right = False
        return time.monotonic() - started, right

    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        answered = list(pool.map(timed, bodies))
    seconds = time.monotonic() - started
    p50, p95, p99 = np.percentile([1000 * spent for spent, _ in answered], [50, 95, 99])
    return {
        "per_s": round(requests / seconds, 1),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "errors": sum(not right for _, right in answered),
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

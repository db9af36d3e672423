"""``merflow serve`` under load, killed at random moments: every request is answered right or fails visibly.

``python -m benchmarks.serve_kills --model MODEL CLIP... --kills 20`` starts the server, notes its answer to every clip,
and sends these clips with eight clients while the server is killed with SIGKILL and started again. With
``--workers 2 --worker`` one of its other processes is killed instead, and the server has to start a new one itself.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil

from benchmarks.record import write_result
from tests.programs import free_ports

CLIENTS = 8
_EQUAL = 1e-5  # a batch of other clips changes the last bits
_PAUSE_S = (0.5, 4.0)  # from readiness to the kill


def main() -> None:
    """Kill, count and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--model", required=True, help="what merflow serve takes")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="as of merflow serve; its own default if left out")
    parser.add_argument("--worker", action="store_true", help="kill a worker, not the server")
    arguments = parser.parse_args()
    (port,) = free_ports(1)
    rng, outcomes, starts = random.Random(arguments.seed), Counter[str](), []
    server = _Server(arguments.model, port, workers=arguments.workers)
    starts.append(server.start())
    expected = [_ask(port, clip.read_bytes()) for clip in arguments.clips]
    for _ in range(arguments.kills):
        stop = threading.Event()
        clients = [
            threading.Thread(
                target=_client, args=(port, arguments.clips, expected, outcomes, stop, number), daemon=True
            )
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        time.sleep(rng.uniform(*_PAUSE_S))
        if arguments.worker:
            starts.append(server.lose_worker(rng))
        else:
            server.kill()
        stop.set()
        for client in clients:
            client.join()
        if not arguments.worker:
            starts.append(server.start())
    again = [_ask(port, clip.read_bytes()) for clip in arguments.clips]
    server.kill()
    outcomes["different after the last start"] = sum(
        int(np.abs(a - b).max() >= _EQUAL) for a, b in zip(expected, again, strict=True)
    )
    print(dict(outcomes), f"ready again after {max(starts):.1f} s at most")
    write_result(
        "serve_worker_kills" if arguments.worker else "serve_kills",
        {"kills": arguments.kills, "clients": CLIENTS, "outcomes": dict(outcomes), "longest_start_s": max(starts)},
    )


class _Server:
    """A server that can be killed."""

    def __init__(self, model: str, port: int, *, workers: int | None) -> None:
        self._command = [sys.executable, "-m", "merflow", "serve", model, "--port", str(port), "--device", "cpu"]
        self._command += [] if workers is None else ["--workers", str(workers)]
        self._ready = f"http://127.0.0.1:{port}/v2/health/ready"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it, and return the seconds until it is ready."""
        began = time.monotonic()
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self._process.poll() is None:
            try:
                urllib.request.urlopen(self._ready, timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return time.monotonic() - began
        raise RuntimeError("the server ended before it was ready")

    def lose_worker(self, rng: random.Random) -> float:
        """Kill one of its workers, maybe one that starts; return the seconds until another is in its place."""
        workers = self._workers()
        killed = rng.choice(sorted(workers))
        began = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        while len(self._workers() - {killed}) < len(workers):
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError("the server ended with its worker")
            time.sleep(0.1)
        return time.monotonic() - began

    def _workers(self) -> set[int]:
        """Return its other processes that predict, or will once they have started."""
        assert self._process is not None
        found = set()
        for child in psutil.Process(self._process.pid).children():
            with suppress(psutil.Error):  # it ends at this moment
                if "spawn_main" in " ".join(child.cmdline()):
                    found.add(child.pid)
        return found

    def kill(self) -> None:
        """Kill it as a node that runs out of memory would."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _client(
    port: int,
    clips: Sequence[Path],
    expected: Sequence[np.ndarray],
    outcomes: Counter[str],
    stop: threading.Event,
    number: int,
) -> None:
    """Ask for clip after clip until the server is killed, and count what comes back."""
    for place in cycle(range(len(clips))):
        if stop.is_set():
            return
        place = (place + number) % len(clips)
        outcomes[_outcome(port, clips[place].read_bytes(), expected[place])] += 1


def _outcome(port: int, clip: bytes, expected: np.ndarray) -> str:
    try:
        return "right" if np.abs(_ask(port, clip) - expected).max() < _EQUAL else "wrong"
    except urllib.error.HTTPError as error:
        return f"refused with {error.code}"
    except (OSError, HTTPException):  # the connection ended, or was refused
        return "failed visibly"


def _ask(port: int, clip: bytes) -> np.ndarray:
    """Return the probabilities ``(C,)`` of a clip."""
    boundary = "aBoundaryThatNothingContains"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n\r\n'.encode()
        + clip
        + f"\r\n--{boundary}--\r\n".encode()
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict",
        data=body,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        (prediction,) = json.load(answer)["predictions"]
    return np.array(list(prediction["probabilities"].values()))


if __name__ == "__main__":
    main()

"""Processes that read and prepare inputs ahead of the encoder.

They are spawned, import no torch, and each has a pipe of its own: when the extraction dies the pipes end, and so do
they. What they send is received by a thread and waits until it is asked for, up to so many bytes; beyond that the pipes
fill and the processes wait. So memory does not grow with the corpus.
"""

import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Literal, TypeVar

from merflow.contracts.errors import FeatureError

Unit = TypeVar("Unit")
Item = TypeVar("Item")

# What was received and not yet asked for; one item may exceed it.
AHEAD_BYTES = 256 << 20
_MOST_WORKERS = 8
# Below so many inputs, starting processes takes longer than they save.
_WORTH_IT = 64


def worker_count(workers: int | Literal["auto"], *, inputs: int) -> int:
    """Processes for so many inputs: one a core with ``auto``, none where there is little to do."""
    if workers != "auto":
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if inputs < _WORTH_IT else min(cores, _MOST_WORKERS)


@dataclass
class _Worker:
    process: Any  # a context's process class
    pipe: Connection
    units: list[Any] = field(default_factory=list)  # given and not finished, the first is in work


class Readers:
    """Worker processes for the length of a ``with`` block; none at all with ``workers=0``, which reads in this process.

    Args:
        workers: Processes; started when they are first needed.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: list[_Worker] = []
        self._received = _BoundedQueue(AHEAD_BYTES)
        self._receiver: threading.Thread | None = None

    def __enter__(self) -> "Readers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(at_once=kind is not None)

    def run(self, task: Callable[[Unit], Iterator[Item]], units: Iterable[Unit], *, ahead: int = 1) -> Iterator[Item]:
        """Everything that the task makes of the units, as it is ready; in the units' order only without workers.

        Args:
            task: Picklable; gets one unit and yields picklable items. Every process has a copy of its own, which keeps
                what it loads.
            units: Taken one by one, when a process is free for one.
            ahead: Units that a process is given before it has finished the first.

        Raises:
            FeatureError: A process died.
            RuntimeError: The task failed in a process; the message holds its traceback.
        """
        if not self.workers:
            for unit in units:
                yield from task(unit)
            return
        self._start()
        for worker in self._pool:
            worker.pipe.send_bytes(_packed(("task", task)))
        waiting = iter(units)
        while True:
            self._hand_out(waiting, ahead)
            if not any(worker.units for worker in self._pool):
                return
            place, message = self._received.get()
            if message is None:
                raise FeatureError(self._obituary(self._pool[place]))
            kind, content = pickle.loads(message)
            if kind == "item":
                yield content
            elif kind == "done":
                self._pool[place].units.pop(0)
            else:
                raise RuntimeError(f"a reader process failed:\n{content}")

    def _hand_out(self, waiting: Iterator[Any], ahead: int) -> None:
        """Gives units to the processes that have fewest, until each has enough."""
        while True:
            worker = min(self._pool, key=lambda one: len(one.units))
            if len(worker.units) >= ahead:
                return
            try:
                unit = next(waiting)
            except StopIteration:
                return
            worker.units.append(unit)
            worker.pipe.send_bytes(_packed(("unit", unit)))

    def _start(self) -> None:
        if self._pool:
            return
        context = multiprocessing.get_context("spawn")
        for _ in range(self.workers):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), name="merflow reader", daemon=True)
            process.start()
            theirs.close()
            self._pool.append(_Worker(process, mine))
        self._receiver = threading.Thread(target=self._receive, name="readers", daemon=True)
        self._receiver.start()

    def _receive(self) -> None:
        places = {worker.pipe: place for place, worker in enumerate(self._pool)}
        while places:
            for pipe in wait(list(places)):
                assert isinstance(pipe, Connection)
                try:
                    message = pipe.recv_bytes()
                except (EOFError, OSError):
                    self._received.put((places.pop(pipe), None))
                    continue
                if not self._received.put((places[pipe], message)):
                    return

    def _stop(self, *, at_once: bool) -> None:
        self._received.close()
        for worker in self._pool:
            if at_once:
                worker.process.terminate()
            else:
                with suppress(OSError):
                    worker.pipe.send_bytes(_packed(("end", None)))
        for worker in self._pool:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        if self._receiver is not None:
            self._receiver.join()
        for worker in self._pool:
            worker.pipe.close()
        self._pool = []

    def _obituary(self, worker: _Worker) -> str:
        worker.process.join(timeout=5)
        first = str(worker.units[0])[:300] if worker.units else "nothing"
        return (
            f"a reader process ended with exit code {worker.process.exitcode} while it read {first}; where memory was "
            "short set features.workers lower, otherwise set these utterances aside"
        )


class _BoundedQueue:
    """Messages of the processes in the order of arrival; putting waits while too many bytes are inside."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._closed = False
        self._room = threading.Condition()
        self._messages: queue.SimpleQueue[tuple[int, bytes | None]] = queue.SimpleQueue()

    def put(self, message: tuple[int, bytes | None]) -> bool:
        """Waits for room; False where nobody reads any more."""
        size = len(message[1] or b"")
        with self._room:
            self._room.wait_for(lambda: self._closed or not self._bytes or self._bytes + size <= self._most_bytes)
            if self._closed:
                return False
            self._bytes += size
        self._messages.put(message)
        return True

    def get(self) -> tuple[int, bytes | None]:
        message = self._messages.get()
        with self._room:
            self._bytes -= len(message[1] or b"")
            self._room.notify_all()
        return message

    def close(self) -> None:
        with self._room:
            self._closed = True
            self._room.notify_all()


def _serve(pipe: Connection) -> None:
    """A worker's life: units in, items out, until the other end says so or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    task: Callable[[Any], Iterator[Any]] | None = None
    try:
        while True:
            kind, content = pickle.loads(pipe.recv_bytes())
            if kind == "end":
                return
            if kind == "task":
                task = content
                continue
            assert task is not None
            for message in _answers(task, content):
                pipe.send_bytes(message)
    except (EOFError, OSError, KeyboardInterrupt):
        return  # the parent is gone


def _answers(task: Callable[[Any], Iterator[Any]], unit: Any) -> Iterator[bytes]:  # noqa: ANN401
    try:
        for item in task(unit):
            yield _packed(("item", item))
    except Exception:  # goes to the parent as text; exceptions themselves may not survive pickling
        yield _packed(("failed", traceback.format_exc()))
    else:
        yield _packed(("done", None))


def _packed(message: tuple[str, Any]) -> bytes:
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)

"""Processes that read and prepare inputs ahead of the encoder.

They are spawned, import no torch, and each has a pipe of its own: when the extraction dies the pipes end, and so do
they. What they send is received by a thread each and waits until it is asked for, up to so many bytes; beyond that the
pipes fill and the processes wait. So memory does not grow with the corpus.

A decoder may end its process, by a segmentation fault or because memory is short. Then another process takes its
place, and the inputs that are still owed are read one by one: whichever ends its process again is given up.
"""

import multiprocessing
import os
import pickle
import queue
import threading
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal, TypeVar

from merflow.errors import FeatureError
from merflow.features.extraction.reader_process import Task, cause, packed, serve

Part = TypeVar("Part")
Item = TypeVar("Item")

# What was received and not yet asked for; one item may exceed it.
AHEAD_BYTES = 256 << 20
_MOST_WORKERS = 8
# Below so many inputs, starting processes takes longer than they save.
_WORTH_IT = 64
# Processes that end one after the other without an input read between: the inputs are not at fault. More than the
# utterances of one dialogue, whose video may be damaged as a whole.
_HOPELESS = 200


def worker_count(workers: int | Literal["auto"], *, inputs: int) -> int:
    """Processes for so many inputs: one a core with ``auto``, none where there is little to do."""
    if workers != "auto":
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if inputs < _WORTH_IT else min(cores, _MOST_WORKERS)


@dataclass
class _Unit:
    parts: list[Any]
    alone: bool = False  # one part that was owed when a process ended


@dataclass(eq=False)
class _Worker:
    process: Any  # a context's process class
    pipe: Connection
    receiver: threading.Thread | None = None
    units: deque[_Unit] = field(default_factory=deque)  # given and not finished, the first is in work
    answered: set[Hashable] = field(default_factory=set)  # parts of the first


class Readers:
    """Worker processes for the length of a ``with`` block; none at all with ``workers=0``, which reads in this process.

    Args:
        workers: Processes; started when they are first needed.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: list[_Worker] = []
        self._received = _BoundedQueue(AHEAD_BYTES)
        self._deaths = 0  # since an item came

    def __enter__(self) -> "Readers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(at_once=kind is not None)

    def run(self, task: Task[Part, Item], units: Iterable[Sequence[Part]], *, ahead: int = 1) -> Iterator[Item]:
        """Everything that the task makes of the units, as it is ready; in the units' order only without workers.

        Args:
            task: Gets one unit after the other.
            units: Parts that are read one after the other; taken unit by unit, when a process is free for one.
            ahead: Units that a process is given before it has finished the first.

        Raises:
            FeatureError: Process after process ended, whatever it read.
            RuntimeError: The task failed in a process; the message holds its traceback.
        """
        if not self.workers:
            for unit in units:
                yield from task(unit)
            return
        while len(self._pool) < self.workers:
            self._pool.append(self._started())
        for worker in self._pool:
            _send(worker, "task", task)
        waiting = iter(units)
        again: deque[_Unit] = deque()
        while True:
            self._hand_out(waiting, again, ahead)
            if not any(worker.units for worker in self._pool):
                return
            worker, message = self._received.get()
            if message is None:
                yield from self._replace(worker, task, again)
                continue
            kind, content = pickle.loads(message)
            if kind == "item":
                self._deaths = 0
                worker.answered.add(task.answered(content))
                yield content
            elif kind == "done":
                worker.units.popleft()
                worker.answered.clear()
            else:
                raise RuntimeError(f"a reader process failed:\n{content}")

    def _hand_out(self, waiting: Iterator[Sequence[Any]], again: deque[_Unit], ahead: int) -> None:
        """Gives units to the processes that have fewest, until each has enough; parts that are owed first."""
        while True:
            worker = min(self._pool, key=lambda one: len(one.units))
            if len(worker.units) >= ahead:
                return
            if again:
                unit = again.popleft()
            else:
                try:
                    unit = _Unit(list(next(waiting)))
                except StopIteration:
                    return
            worker.units.append(unit)
            _send(worker, "unit", unit.parts)

    def _replace(self, worker: _Worker, task: Task[Any, Item], again: deque[_Unit]) -> Iterator[Item]:
        """Another process for one that ended; what it owed is read again, and given up where that was done before."""
        worker.process.join(timeout=5)
        worker.process.kill()  # had it only closed its pipe
        worker.process.join()
        self._deaths += 1
        how = cause(worker.process.exitcode)
        if self._deaths >= _HOPELESS:
            raise FeatureError(
                f"{self._deaths} reader processes ended one after the other, the last {how}; "
                "set features.workers to 0 to read in the extraction's own process, which then shows why"
            )
        first, *others = worker.units or [_Unit([])]
        owed = [part for part in first.parts if task.asked(part) not in worker.answered]
        again.extend([_Unit([part], alone=True) for part in owed if not first.alone])
        again.extend(others)
        worker.pipe.close()
        place = self._pool.index(worker)
        self._pool[place] = self._started()
        _send(self._pool[place], "task", task)
        if first.alone:
            for part in owed:
                yield task.lost(
                    part,
                    f"a process that reads it ends {how}, also when it reads nothing else: it is damaged, or needs "
                    "more memory than there is (then set features.workers lower and extract again)",
                )

    def _started(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,), name="merflow reader", daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, mine)
        worker.receiver = threading.Thread(target=self._receive, args=(worker,), name="reader", daemon=True)
        worker.receiver.start()
        return worker

    def _receive(self, worker: _Worker) -> None:
        """One worker's messages until it ends, and then None."""
        while True:
            try:
                message = worker.pipe.recv_bytes()
            except (EOFError, OSError):
                self._received.put((worker, None))
                return
            if not self._received.put((worker, message)):
                return

    def _stop(self, *, at_once: bool) -> None:
        self._received.close()
        for worker in self._pool:
            if at_once:
                worker.process.terminate()
            else:
                _send(worker, "end", None)
        for worker in self._pool:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            assert worker.receiver is not None
            worker.receiver.join()
            worker.pipe.close()
        self._pool = []


def _send(worker: _Worker, kind: str, content: object) -> None:
    with suppress(OSError):  # it has ended, and its receiver says so
        worker.pipe.send_bytes(packed((kind, content)))


class _BoundedQueue:
    """Messages of the processes in the order of arrival; putting waits while too many bytes are inside."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._closed = False
        self._room = threading.Condition()
        self._messages: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()

    def put(self, message: tuple[_Worker, bytes | None]) -> bool:
        """Waits for room; False where nobody reads any more."""
        size = len(message[1] or b"")
        with self._room:
            self._room.wait_for(lambda: self._closed or not self._bytes or self._bytes + size <= self._most_bytes)
            if self._closed:
                return False
            self._bytes += size
        self._messages.put(message)
        return True

    def get(self) -> tuple[_Worker, bytes | None]:
        message = self._messages.get()
        with self._room:
            self._bytes -= len(message[1] or b"")
            self._room.notify_all()
        return message

    def close(self) -> None:
        with self._room:
            self._closed = True
            self._room.notify_all()

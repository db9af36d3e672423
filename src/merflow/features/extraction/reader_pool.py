"""Processes that read and prepare inputs ahead of the encoder.

They are spawned, import no torch, and each has its own pipe: when the extraction dies, the pipes close and the
processes end. One thread per process receives its items, which wait until they are needed. Beyond a number of bytes the
pipes fill and the processes wait, so memory does not grow with the corpus.

A decoder may crash its process, by a segmentation fault or for lack of memory. Another process then takes over, and
reads the missing inputs one by one. An input that crashes its process again is given up.
"""

import multiprocessing
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

from merflow.contracts.machine import usable_cores
from merflow.contracts.processes import interrupts_ignored
from merflow.errors import FeatureError
from merflow.features.extraction.reader_process import Task, cause, packed, serve

Part = TypeVar("Part")
Item = TypeVar("Item")

# Bytes that were received and are not needed yet; a single item may exceed it.
AHEAD_BYTES = 256 << 20
_MOST_WORKERS = 8
# With fewer inputs than this, starting processes takes longer than they save.
_WORTH_IT = 64
# If this many processes end in a row without reading an input, the inputs are not at fault. It is more than
# the utterances of one dialogue, whose video may be damaged as a whole.
_HOPELESS = 200


def worker_count(workers: int | Literal["auto"], *, inputs: int) -> int:
    """Return the number of processes for some inputs: with ``auto`` one per core, or none if there is little to do."""
    if workers != "auto":
        return workers
    return 0 if inputs < _WORTH_IT else min(usable_cores(), _MOST_WORKERS)


@dataclass
class _Unit:
    parts: list[Any]
    alone: bool = False  # one part that was unfinished when a process ended


@dataclass(eq=False)
class _Worker:
    process: Any  # a context's process class
    pipe: Connection
    receiver: threading.Thread | None = None
    units: deque[_Unit] = field(default_factory=deque)  # given and not finished; the first is being read
    finished: set[Hashable] = field(default_factory=set)  # names of the first unit's finished parts


class ReaderPool:
    """Worker processes for the length of a ``with`` block; with ``workers=0``, this process reads.

    Args:
        workers: Number of processes; they start when they are first needed.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: list[_Worker] = []
        self._received = _BoundedQueue(AHEAD_BYTES)
        self._deaths = 0  # since the last item

    def __enter__(self) -> "ReaderPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(at_once=kind is not None)

    def run(self, task: Task[Part, Item], units: Iterable[Sequence[Part]], *, ahead: int = 1) -> Iterator[Item]:
        """Yield the items that the task makes from the units, each when it is ready; in order only without workers.

        Args:
            task: Called with one unit after the other.
            units: Groups of parts; a unit is taken when a process is free for it.
            ahead: Number of units that a process is given at a time.

        Raises:
            FeatureError: Process after process ended, whichever input it read.
            RuntimeError: The task failed in a process; the message has its traceback.
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
                worker.finished.add(task.item_name(content))
                yield content
            elif kind == "done":
                worker.units.popleft()
                worker.finished.clear()
            else:
                raise RuntimeError(f"a reader process failed:\n{content}")

    def _hand_out(self, waiting: Iterator[Sequence[Any]], again: deque[_Unit], ahead: int) -> None:
        """Give units to the processes that have the fewest until each has enough; unfinished parts come first."""
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
        """Replace a process that ended; its unfinished parts are read again, or given up if they were already."""
        worker.process.join(timeout=5)
        worker.process.kill()  # had it only closed its pipe
        worker.process.join()
        self._deaths += 1
        how = cause(worker.process.exitcode)
        if self._deaths >= _HOPELESS:
            raise FeatureError(
                f"{self._deaths} reader processes ended one after the other, the last {how}; "
                "set features.workers to 0 to read in the extraction's own process and see the cause"
            )
        first, *others = worker.units or [_Unit([])]
        unfinished = [part for part in first.parts if task.part_name(part) not in worker.finished]
        again.extend([_Unit([part], alone=True) for part in unfinished if not first.alone])
        again.extend(others)
        worker.pipe.close()
        successor = self._started()
        self._pool[self._pool.index(worker)] = successor
        _send(successor, "task", task)
        if first.alone:
            for part in unfinished:
                yield task.failed(
                    part,
                    f"a process that reads it ends {how}, even if it reads nothing else: the input is damaged, or it "
                    "needs more memory than there is (then set features.workers lower and extract again)",
                )

    def _started(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,), name="merflow reader", daemon=True)
        with interrupts_ignored():
            process.start()
        theirs.close()
        worker = _Worker(process, mine)
        worker.receiver = threading.Thread(target=self._receive, args=(worker,), name="reader", daemon=True)
        worker.receiver.start()
        return worker

    def _receive(self, worker: _Worker) -> None:
        """Queue one worker's messages until it ends, and then None."""
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
    """Messages of the processes in the order of arrival; ``put`` waits while the queue holds too many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._closed = False
        self._room = threading.Condition()
        self._messages: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()

    def put(self, message: tuple[_Worker, bytes | None]) -> bool:
        """Wait for room and put the message; return False if the queue is closed."""
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

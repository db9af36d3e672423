"""Calls in processes of their own, none of which outlives the call that started them.

Ctrl-C is for the parent alone. A process that is told to end, or whose parent is gone, ends at its next line of Python
and leaves nothing half-written.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import Any, TypeVar

from merflow.errors import MerflowError

Result = TypeVar("Result")

_PATIENCE_S = 5.0  # how long a process may take to end before it is killed
_LOOK_S = 1.0  # how often a caller looks at processes side by side
_TOLD_S = 0.1  # how often what the calls tell is passed on
_DEATH_S = 1.0  # how long the death of a process may take to be known after its effect on another

# Of the process that works: whether a call is under way, and whether it has been told to end.
_calling, _ending = threading.Event(), threading.Event()

# Of the process that works: where what its calls tell goes.
_line: "SimpleQueue[Any] | None" = None


def in_processes(
    calls: Sequence[Callable[[], Result]],
    *,
    workers: int,
    finished: Callable[[Result], None],
    environments: Sequence[Mapping[str, str]] = (),
    told: Callable[[Any], None] | None = None,
) -> None:
    """Runs all calls, ``workers`` at a time; the first error stops the others, and is raised.

    Args:
        calls: Must be picklable.
        workers: Processes at a time, started by spawn: the caller's may hold threads, which a fork would freeze.
        finished: Given each result as it comes.
        environments: What each process adds to its environment before its first call, in turn; none for nothing.
        told: Given what the calls :func:`tell` meanwhile, and before the call's own result.

    Raises:
        BrokenProcessPool: A process was killed from outside, for example for lack of memory. Errors of others that
            follow from that are not raised in its place.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    user_presets = _environments(workers, environments)
    line: SimpleQueue[Any] = context.SimpleQueue()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(user_presets, line)) as pool:
        try:
            with _interrupts_ignored():
                futures = [pool.submit(_run, call) for call in calls]
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=_TOLD_S if told else None, return_when=FIRST_COMPLETED)
                while told and not line.empty():
                    told(line.get())
                for future in done:
                    finished(_result(future, others=futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - others)
            raise


def tell(message: Any) -> None:  # noqa: ANN401 - whatever caller and call agree on
    """Sends a small message from within a call to whoever waits for it."""
    assert _line is not None, "outside a call"
    _line.put(message)


def _result(future: "Future[Result]", *, others: Collection["Future[Result]"]) -> Result:
    """The call's result, or its error; where another process was killed, that is the error."""
    try:
        return future.result()
    except (MerflowError, BrokenProcessPool):
        raise
    except Exception:
        for other in wait(others, timeout=_DEATH_S).done:
            if isinstance(other.exception(), BrokenProcessPool):
                other.result()
        raise


def side_by_side(
    calls: Sequence[Callable[[], object]],
    *,
    meanwhile: Callable[[], None],
    environments: Sequence[Mapping[str, str]] = (),
) -> int:
    """Runs all calls at once, each in its own process; returns how many of them were ended from outside.

    One that is ended, for example for lack of memory, leaves the others at work. The first error stops the others, and
    is raised.

    Args:
        calls: Must be picklable.
        meanwhile: Called every second or so, and once at the end.
        environments: As for :func:`in_processes`.
    """
    context = multiprocessing.get_context("spawn")
    user_presets = _environments(len(calls), environments)
    line: SimpleQueue[Any] = context.SimpleQueue()
    ears: dict[BaseProcess, Connection] = {}
    try:
        with _interrupts_ignored():
            for call in calls:
                ear, mouth = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(target=_alone, args=(user_presets, line, mouth, call))
                ears[process] = ear
                process.start()
                mouth.close()
        working = set(ears)
        while working:
            connection.wait([process.sentinel for process in working], timeout=_LOOK_S)
            meanwhile()
            for process in [process for process in working if not process.is_alive()]:
                working.remove(process)
                _raise_error_of(ears[process])
    except BaseException:
        _end({process for process in ears if process.pid is not None})
        raise
    return sum(process.exitcode != 0 for process in ears)


def _alone(
    user_presets: "SimpleQueue[dict[str, str]]", line: "SimpleQueue[Any]", mouth: Connection, call: Callable[[], object]
) -> None:
    """What a process of :func:`side_by_side` does."""
    _begin(user_presets, line)
    try:
        _run(call)
    except MerflowError as error:
        mouth.send(error)
    except Exception:
        mouth.send(RuntimeError(traceback.format_exc()))


def _raise_error_of(ear: Connection) -> None:
    try:
        if ear.poll():
            raise ear.recv()
    except EOFError:  # it has ended without a word
        return


def _environments(workers: int, environments: Sequence[Mapping[str, str]]) -> "SimpleQueue[dict[str, str]]":
    """What each process takes one of."""
    user_presets: SimpleQueue[dict[str, str]] = multiprocessing.get_context("spawn").SimpleQueue()
    for place in range(workers):
        user_presets.put(dict(environments[place % len(environments)]) if environments else {})
    return user_presets


def _end(processes: set[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE_S)
    for process in processes:
        if process.is_alive():
            process.kill()
            process.join()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A process that starts in here inherits this, so that Ctrl-C does not disturb its imports either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(user_presets: "SimpleQueue[dict[str, str]]", line: "SimpleQueue[Any]") -> None:
    """Heeds the parent, and takes one of the environments."""
    global _line
    _line = line
    os.environ.update(user_presets.get())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_call)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_call(*_: object) -> None:
    """Ends the process, a call in it by an exception; a second signal must not cut its tidying up short."""
    if not _calling.is_set():
        os._exit(1)
    if not _ending.is_set():
        _ending.set()
        sys.exit()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE_S)
    os._exit(1)  # a call that waits in a library for another process does not heed the signal


def _run(call: Callable[[], Result]) -> Result:
    try:
        _calling.set()
        if _ending.is_set():
            sys.exit()
        return call()
    except SystemExit:  # everything is tidied up; the pool would catch it, and go on with the next call
        os._exit(1)
    finally:
        _calling.clear()

"""Calls in separate processes, none of which outlives the call that started it.

Only the parent handles Ctrl-C. A process that receives SIGTERM, or whose parent has died, ends at its next line of
Python and leaves nothing half-written. It is killed if it has not ended after ten seconds.
"""

import atexit
import multiprocessing
import os
import pickle
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
from multiprocessing.reduction import ForkingPickler
from types import FrameType
from typing import Any, TypeVar

from merflow.contracts.signals import LONGEST_DELAY_S, postponed
from merflow.errors import MerflowError

Result = TypeVar("Result")

_PATIENCE_S = (
    LONGEST_DELAY_S + 5.0
)  # time for a process to end before it is killed: it may have to finish an import or clean up
_REMINDER_S = 1.0  # interval at which a process is asked to end
_CHECK_S = 1.0  # interval at which processes side by side are checked
_MESSAGES_S = 0.1  # interval at which messages are passed on
_DEATH_S = 1.0  # time until the death of a process is noticed after its effect on another process

# In a worker process: True while a call runs, and once the process has been asked to end. They are not events, whose
# locks would block a signal's handler for ever if a second signal interrupts it.
_calling = _ending = False

# In a worker process: the queue for messages of its calls.
_messages: "SimpleQueue[Any] | None" = None


def in_processes(
    calls: Sequence[Callable[[], Result]],
    *,
    workers: int,
    finished: Callable[[Result], None],
    environments: Sequence[Mapping[str, str]] = (),
    on_message: Callable[[Any], None] | None = None,
) -> None:
    """Run all calls, ``workers`` at a time. The first error stops all other calls and is raised.

    Args:
        calls: Calls that can be pickled.
        workers: Number of processes. They are spawned: a fork of this process would freeze any threads that it holds.
        finished: Called with each result as soon as it arrives.
        environments: Environment variables for each process, assigned in turn before its first call.
        on_message: Called with each message of :func:`send_message`, and before the result of the call that sent it.

    Raises:
        BrokenProcessPool: A process was killed from outside, for example because memory ran out. It is raised even if
            the death of the process caused errors in other processes first.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    queue = _environment_queue(workers, environments)
    messages: SimpleQueue[Any] = context.SimpleQueue()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(queue, messages)) as pool:
        try:
            with interrupts_ignored():
                futures = [pool.submit(_run, call) for call in calls]
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=_MESSAGES_S if on_message else None, return_when=FIRST_COMPLETED)
                while on_message and not messages.empty():
                    on_message(messages.get())
                for future in done:
                    finished(_result(future, others=futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - others)
            raise


def send_message(message: Any) -> None:  # noqa: ANN401 - whatever caller and call agree on
    """Send a small message from within a call to the process that waits for its result."""
    assert _messages is not None, "outside a call"
    _messages.put(message)


def _result(future: "Future[Result]", *, others: Collection["Future[Result]"]) -> Result:
    """Return the call's result or raise its error; if another process was killed, raise that instead."""
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
    """Run all calls at once, each in its own process; return the number of processes that were killed from outside.

    If a process is killed, for example because memory ran out, the others continue. The first error stops all other
    calls and is raised.

    Args:
        calls: Calls that can be pickled.
        meanwhile: Called about every second, and once at the end.
        environments: Environment variables for each process; see :func:`in_processes`.
    """
    context = multiprocessing.get_context("spawn")
    queue = _environment_queue(len(calls), environments)
    messages: SimpleQueue[Any] = context.SimpleQueue()
    receivers: dict[BaseProcess, Connection] = {}
    try:
        with interrupts_ignored():
            for call in calls:
                receiver, sender = context.Pipe(duplex=False)
                # As bytes: a process that reads a call imports all that the call needs, and must watch its parent then.
                pickled = ForkingPickler.dumps(call)
                process: BaseProcess = context.Process(
                    target=_run_alone, args=(queue, messages, sender, bytes(pickled))
                )
                receivers[process] = receiver
                process.start()
                sender.close()
        working = set(receivers)
        while working:
            connection.wait([process.sentinel for process in working], timeout=_CHECK_S)
            meanwhile()
            for process in [process for process in working if not process.is_alive()]:
                working.remove(process)
                _raise_error_of(receivers[process])
    except BaseException:
        _end({process for process in receivers if process.pid is not None})
        raise
    return sum(process.exitcode != 0 for process in receivers)


def _run_alone(
    environments: "SimpleQueue[dict[str, str]]",
    messages: "SimpleQueue[Any]",
    sender: Connection,
    call: bytes,
) -> None:
    """Run a call in a process of :func:`side_by_side`; send its error, if there is one, to the parent."""
    _begin(environments, messages)
    try:
        _run(pickle.loads(call))
    except MerflowError as error:
        sender.send(error)
    except Exception:
        sender.send(RuntimeError(traceback.format_exc()))


def _raise_error_of(receiver: Connection) -> None:
    try:
        if receiver.poll():
            raise receiver.recv()
    except EOFError:  # it has ended without sending anything
        return


def _environment_queue(workers: int, environments: Sequence[Mapping[str, str]]) -> "SimpleQueue[dict[str, str]]":
    """Return a queue with one environment per process."""
    queue: SimpleQueue[dict[str, str]] = multiprocessing.get_context("spawn").SimpleQueue()
    for index in range(workers):
        queue.put(dict(environments[index % len(environments)]) if environments else {})
    return queue


def _end(processes: set[BaseProcess]) -> None:
    """Ask the processes to end, again and again, and kill those that do not."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while processes and time.monotonic() < deadline_s:
        for process in processes:
            process.terminate()
        connection.wait([process.sentinel for process in processes], timeout=_REMINDER_S)
        # Not is_alive(), which is also true while another thread is reading the exit code.
        processes = {process for process in processes if not connection.wait([process.sentinel], timeout=0)}
    for process in processes:
        process.kill()
        process.join()


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore SIGINT; processes that start inside inherit this, so that Ctrl-C does not disturb their imports either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(environments: "SimpleQueue[dict[str, str]]", messages: "SimpleQueue[Any]") -> None:
    """Take one of the environments, and end with the parent."""
    global _messages
    _messages = messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_call)
    when_parent_ends(_end_soon)
    atexit.register(_leave)
    os.environ.update(environments.get())


def when_parent_ends(do: Callable[[], None]) -> None:
    """Call a function in a separate thread when the parent process has ended, for whatever reason."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        do()

    threading.Thread(target=watch, daemon=True).start()


def _leave() -> None:
    """End the process without taking the interpreter apart, which takes a second with torch in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_call(number: int, frame: FrameType | None) -> None:
    """End the process, and a running call by an exception."""
    global _ending
    if not _calling:
        os._exit(1)
    _ending = True
    if _is_cleaning_up() or postponed(number, frame):
        return
    sys.unraisablehook = lambda _: None  # a finalizer would print the exit as an error, and lose it until the reminder
    sys.exit()


def _is_cleaning_up() -> bool:
    """Return True if the call is being left; another exception must not interrupt its ``finally``."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, SystemExit):
            return True
        error = error.__context__
    return False


def _end_soon() -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_REMINDER_S)
    os._exit(1)  # a call that waits in a library for another process does not react to the signal


def _run(call: Callable[[], Result]) -> Result:
    global _calling
    try:
        _calling = True
        if _ending:
            sys.exit()
        return call()
    except SystemExit as error:  # the pool would catch it and run the next call
        # An exception between the start of a context manager and its block leaves the manager open in a frame.
        traceback.clear_frames(error.__traceback__)
        os._exit(1)
    finally:
        _calling = False

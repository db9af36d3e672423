"""The code that runs inside a reader process, and the messages that pass through its pipe."""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Hashable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from merflow.contracts.processes import when_parent_ends

Part = TypeVar("Part", contravariant=True)
Item = TypeVar("Item")

# Exit code of a process that was refused memory, as the system numbers that error.
_NO_MEMORY = 12


class Task(Protocol[Part, Item]):
    """The work of the processes: one item for each part of a unit, in any order. Tasks and items can be pickled.

    Every process has its own copy, which keeps the objects that it loads.
    """

    def __call__(self, unit: Sequence[Part]) -> Iterator[Item]:
        """Read the parts and yield their items."""
        ...

    def part_name(self, part: Part) -> Hashable:
        """Return the name of a part."""
        ...

    def item_name(self, item: Item) -> Hashable:
        """Return the name of the part that an item belongs to."""
        ...

    def failed(self, part: Part, reason: str) -> Item:
        """Return the item of a part that ends every process that reads it."""
        ...


def serve(pipe: Connection) -> None:
    """Receive units and send items until the parent says to stop, or has ended itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    when_parent_ends(lambda: os._exit(1))  # at once, in the middle of a long recording too: it writes nothing
    task: Task[Any, Any] | None = None
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
        return  # the parent has ended
    except MemoryError:
        sys.exit(_NO_MEMORY)


def _answers(task: Task[Any, Any], unit: Sequence[Any]) -> Iterator[bytes]:
    try:
        for item in task(unit):
            yield packed(("item", item))
    except MemoryError:
        raise  # ends this process; the input may fit where it is alone
    except Exception:
        # Every error must reach the parent, as text because an error object may not survive pickling. An error that
        # ended this process instead would look like a decoder's crash, and its input would be quarantined for a bug.
        yield packed(("failed", traceback.format_exc()))
    else:
        yield packed(("done", None))


def packed(message: tuple[str, Any]) -> bytes:
    """Return a message as the bytes that pass through a pipe."""
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def cause(exitcode: int) -> str:
    """Describe how a process ended."""
    if exitcode == _NO_MEMORY:
        return "for lack of memory"
    if exitcode >= 0:
        return f"with exit code {exitcode}"
    try:
        return f"by {signal.Signals(-exitcode).name}"
    except ValueError:  # a real-time signal
        return f"by signal {-exitcode}"

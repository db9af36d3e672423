"""A reader process from the inside, and what passes through its pipe."""

import pickle
import signal
import sys
import traceback
from collections.abc import Hashable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

Part = TypeVar("Part", contravariant=True)
Item = TypeVar("Item")

# Exit code of a process that was refused memory, as the system numbers that error.
_NO_MEMORY = 12


class Task(Protocol[Part, Item]):
    """What the processes do: one item of each part of a unit, in any order. Picklable, its items too.

    Every process has a copy of its own, which keeps what it loads.
    """

    def __call__(self, unit: Sequence[Part]) -> Iterator[Item]:
        """Reads the parts."""
        ...

    def asked(self, part: Part) -> Hashable:
        """Names a part."""
        ...

    def answered(self, item: Item) -> Hashable:
        """The name of the part that the item is of."""
        ...

    def lost(self, part: Part, reason: str) -> Item:
        """The item of a part that ends every process that reads it."""
        ...


def serve(pipe: Connection) -> None:
    """A worker's life: units in, items out, until the other end says so or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
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
        return  # the parent is gone
    except MemoryError:
        sys.exit(_NO_MEMORY)


def _answers(task: Task[Any, Any], unit: Sequence[Any]) -> Iterator[bytes]:
    try:
        for item in task(unit):
            yield packed(("item", item))
    except MemoryError:
        raise  # ends this process; the input may fit where it is alone
    except Exception:
        # Any error has to reach the parent, as text because errors themselves may not survive pickling: one that
        # ended this process instead would pass for a decoder's crash, and its input would be set aside for a bug.
        yield packed(("failed", traceback.format_exc()))
    else:
        yield packed(("done", None))


def packed(message: tuple[str, Any]) -> bytes:
    """A message as it passes through a pipe."""
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def cause(exitcode: int) -> str:
    """How a process ended, for people."""
    if exitcode == _NO_MEMORY:
        return "for want of memory"
    if exitcode >= 0:
        return f"with exit code {exitcode}"
    try:
        return f"by {signal.Signals(-exitcode).name}"
    except ValueError:  # a real-time signal
        return f"by signal {-exitcode}"

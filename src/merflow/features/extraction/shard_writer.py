"""A thread that pools, rounds and writes encoded entries, so that the encoder never waits for the disk."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from merflow.errors import FeatureError
from merflow.features.encoders.keys import STORED_DTYPE
from merflow.features.store.claims import Claims
from merflow.features.store.keyed import KeyedStore

# Bytes that are encoded and not yet rounded; a single batch may exceed it.
AHEAD_BYTES = 256 << 20

Batch = tuple[str, Sequence[str], Sequence[np.ndarray]]


@dataclass
class _Shard:
    """A shard that is being filled."""

    digests: list[str] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)


class ShardWriter:
    """Collects entries by shard and writes each shard once it is finished; a context manager.

    Leaving the block waits until everything is written. Leaving it with an error drops the unwritten entries.

    Args:
        keyed: The store to write to.
        claims: The claims of this process; a shard that another process has taken over is dropped.
        pooled: True to store the mean over an entry's steps.
        refused: Called in the writer's thread with an input that cannot be stored, and the reason.
    """

    def __init__(self, keyed: KeyedStore, claims: Claims, *, pooled: bool, refused: Callable[[str, str], None]) -> None:
        self._keyed = keyed
        self._claims = claims
        self._pooled = pooled
        self._refused = refused
        self._shards: dict[str, _Shard] = {}
        self._work: queue.SimpleQueue[Batch | str | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._room = threading.Condition()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def __enter__(self) -> "ShardWriter":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._fail(error)
        self._work.put(None)
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def add(self, shard: str, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
        """Add entries of a shard, in any order.

        Raises:
            OutputError: An earlier shard could not be written.
        """
        size = sum(array.nbytes for array in arrays)
        with self._room:
            self._room.wait_for(
                lambda: self._error or not self._waiting_bytes or self._waiting_bytes + size <= AHEAD_BYTES
            )
            if self._error is not None:
                raise self._error
            self._waiting_bytes += size
        self._work.put((shard, digests, arrays))

    def finish(self, shard: str) -> None:
        """Write the shard, whose entries have all been added, and release its claim."""
        self._work.put(shard)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            if self._error is not None:
                continue
            try:
                if isinstance(work, str):
                    self._write(work)
                else:
                    self._collect(*work)
            except BaseException as error:  # raised again where the extraction runs
                self._fail(error)

    def _collect(self, name: str, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
        shard = self._shards.setdefault(name, _Shard())
        for digest, array in zip(digests, arrays, strict=True):
            try:
                stored = storable(array, pooled=self._pooled)
            except FeatureError as error:
                self._refused(digest, str(error))
                continue
            shard.digests.append(digest)
            shard.arrays.append(stored)
        with self._room:
            self._waiting_bytes -= sum(array.nbytes for array in arrays)
            self._room.notify_all()

    def _write(self, name: str) -> None:
        shard = self._shards.pop(name, _Shard())
        if shard.digests and self._claims.holds(name):
            order = sorted(range(len(shard.digests)), key=shard.digests.__getitem__)
            self._keyed.write_shard([shard.digests[index] for index in order], [shard.arrays[index] for index in order])
        self._claims.release(name)

    def _fail(self, error: BaseException | None) -> None:
        with self._room:
            self._error = self._error or error
            self._room.notify_all()


def storable(array: np.ndarray, *, pooled: bool) -> np.ndarray:
    """Return an entry as it is stored: float16, and one step if the stream is pooled.

    Raises:
        FeatureError: A number is not finite in float16.
    """
    if pooled and len(array):
        array = array.mean(axis=0, keepdims=True, dtype=np.float64)
    with np.errstate(over="ignore"):
        stored = array.astype(STORED_DTYPE)
    if not np.isfinite(stored).all():
        raise FeatureError(f"its features are not finite in {STORED_DTYPE}; largest value {np.abs(array).max()}")
    return stored

"""Shards that are open for reading: files in the address space, whose entries cost one copy out of the page cache.

Shapes: T steps of an entry, L layers, D width.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merflow.contracts.streams import StreamShape
from merflow.errors import FeatureError
from merflow.features.store.shards import Place, Shard, entry_shape

# The system reads no more than this ahead of a longer piece, whatever it is told.
_AHEAD_BYTES = 512 << 10
# After so many bytes the pages that were read are let go of, so that they do not count as this process' memory for
# good, and entries are announced to the system anew, as it may have dropped them.
_ROUND_BYTES = 2 << 30


class MappedShard:
    """A complete shard in the address space.

    Attributes:
        path: Its file.
        values: ``(S, D)`` or ``(S, L, D)`` float16, read-only, the steps of all entries.

    Raises:
        FeatureError: As :class:`merflow.features.store.shards.Shard`.
    """

    def __init__(self, path: Path, shape: StreamShape) -> None:
        self.path = path
        shard = Shard(path, shape)
        try:
            self._map = shard.mapped()
        finally:
            shard.close()
        entry = entry_shape(shape)
        self._start = shard.values_at
        self._step_bytes = 2 * int(np.prod(entry))
        if shard.steps:
            count = shard.steps * self._step_bytes // 2
            self.values = np.frombuffer(self._map, "<f2", count=count, offset=self._start).reshape(-1, *entry)
        else:
            self.values = np.zeros((0, *entry), dtype=np.float16)

    def expect(self, first: int, stop: int) -> None:
        """Tells the system that these steps are read soon: cold entries of a batch then come from disk side by side.

        Without it a page that is not in memory brings in as much around it as the system likes, which may be megabytes
        for an entry of kilobytes, and waits for each.
        """
        start = self._start + first * self._step_bytes
        end = self._start + stop * self._step_bytes
        for at in range(start - start % mmap.PAGESIZE, end, _AHEAD_BYTES):
            self._map.madvise(mmap.MADV_WILLNEED, at, min(_AHEAD_BYTES, end - at))

    def forget(self) -> None:
        """Lets go of the pages; they stay in the system's cache."""
        self._map.madvise(mmap.MADV_DONTNEED)


class OpenEntries:
    """Some entries of one key, whose shards are opened when they are asked for.

    Args:
        folder: ``<key>/shards``.
        shape: Layers and width of every entry.
        places: Where the entries are; they are asked for by their number in it.
        most: Shards open at a time, a file each; the one opened first is let go of first.
    """

    def __init__(self, folder: Path, shape: StreamShape, places: Sequence[Place], *, most: int) -> None:
        self._folder = folder
        self._shape = shape
        self._most = most
        # By number, in lists of their own: an entry of 25 KB is copied in the time of thirty attribute look-ups.
        self._shards = [place.shard for place in places]
        self._starts = [place.offset for place in places]
        self._stops = [place.offset + place.steps for place in places]
        self._announced = bytearray(len(places))
        self._last_stop: dict[str, int] = {}
        for name, stop in zip(self._shards, self._stops, strict=True):
            self._last_stop[name] = max(stop, self._last_stop.get(name, 0))
        self._open: dict[str, MappedShard] = {}
        self._most_steps = max(1, _ROUND_BYTES // (2 * int(np.prod(entry_shape(shape)))))
        self._steps_read = 0

    def entries(self, numbers: Sequence[int]) -> list[np.ndarray]:
        """Each ``(T, D)`` or ``(T, L, D)`` float16, read-only, in the files; the system is told of all of them first.

        Raises:
            FeatureError: As :class:`merflow.features.store.shards.Shard`, or a place is beyond its shard's end.
        """
        if self._steps_read > self._most_steps:
            self._begin_round()
        found = []
        for number in numbers:
            shard = self._open.get(self._shards[number]) or self._opened(self._shards[number])
            start, stop = self._starts[number], self._stops[number]
            if not self._announced[number]:
                self._announced[number] = True
                shard.expect(start, stop)
            found.append(shard.values[start:stop])
            self._steps_read += stop - start
        return found

    def _begin_round(self) -> None:
        self._steps_read = 0
        self._announced = bytearray(len(self._announced))
        for shard in self._open.values():
            shard.forget()

    def _opened(self, name: str) -> MappedShard:
        if len(self._open) >= self._most:
            # Not closed: arrays of it may be in use; the last of them takes the mapping with it.
            del self._open[next(iter(self._open))]
        shard = MappedShard(self._folder / f"{name}.safetensors", self._shape)
        if self._last_stop[name] > len(shard.values):
            raise FeatureError(
                f"shard {shard.path} has {len(shard.values)} steps, the index asks for {self._last_stop[name]}; "
                "delete the index beside it and run `merflow features extract` again"
            )
        self._open[name] = shard
        return shard

"""Shards that are open for reading: memory-mapped files, whose entries cost one copy out of the page cache.

Shapes: T steps of an entry, L layers, D width.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merflow.contracts.streams import StreamShape
from merflow.errors import FeatureError
from merflow.features.store.shards import EntryLocation, Shard, entry_shape

# The system reads ahead no more than this, however long the announced range.
_AHEAD_BYTES = 512 << 10
# After this many bytes the mapped pages are released, so that they do not count as this process's memory forever.
# Entries are then announced to the system again, as it may have dropped them.
_ROUND_BYTES = 2 << 30


class MappedShard:
    """A complete shard, mapped into memory.

    Attributes:
        path: Its file.
        values: ``(S, D)`` or ``(S, L, D)`` float16, read-only, the steps of all entries.

    Raises:
        FeatureError: See :class:`merflow.features.store.shards.Shard`.
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
        """Tell the system that these steps will be read soon, so that cold entries come from disk in parallel.

        Otherwise the entries are read one after the other, and for a page that is not in memory the system may read
        megabytes around an entry of kilobytes.
        """
        start = self._start + first * self._step_bytes
        end = self._start + stop * self._step_bytes
        for at in range(start - start % mmap.PAGESIZE, end, _AHEAD_BYTES):
            self._map.madvise(mmap.MADV_WILLNEED, at, min(_AHEAD_BYTES, end - at))

    def forget(self) -> None:
        """Release the pages; they stay in the system's cache."""
        self._map.madvise(mmap.MADV_DONTNEED)


class OpenEntries:
    """Some entries of one key, whose shards are opened when they are needed.

    Args:
        folder: ``<key>/shards``.
        shape: Layers and width of every entry.
        locations: Locations of the entries, which are read by their number in this list.
        most: Largest number of open shards, one file each; the one opened first is closed first.
    """

    def __init__(self, folder: Path, shape: StreamShape, locations: Sequence[EntryLocation], *, most: int) -> None:
        self._folder = folder
        self._shape = shape
        self._most = most
        # Plain lists by number: copying an entry of 25 KB takes no longer than thirty attribute look-ups.
        self._shards = [one.shard for one in locations]
        self._starts = [one.offset for one in locations]
        self._stops = [one.offset + one.steps for one in locations]
        self._announced = bytearray(len(locations))
        self._last_stop: dict[str, int] = {}
        for name, stop in zip(self._shards, self._stops, strict=True):
            self._last_stop[name] = max(stop, self._last_stop.get(name, 0))
        self._open: dict[str, MappedShard] = {}
        self._most_steps = max(1, _ROUND_BYTES // (2 * int(np.prod(entry_shape(shape)))))
        self._steps_read = 0

    def entries(self, numbers: Sequence[int]) -> list[np.ndarray]:
        """Return each entry ``(T, D)`` or ``(T, L, D)`` float16 as a read-only view of its file.

        Raises:
            FeatureError: A shard is missing or corrupt, or a location lies beyond its shard's end.
        """
        if self._steps_read > self._most_steps:
            self._begin_round()
        entries = []
        for number in numbers:
            shard = self._open.get(self._shards[number]) or self._opened(self._shards[number])
            start, stop = self._starts[number], self._stops[number]
            if not self._announced[number]:
                self._announced[number] = True
                shard.expect(start, stop)
            entries.append(shard.values[start:stop])
            self._steps_read += stop - start
        return entries

    def _begin_round(self) -> None:
        self._steps_read = 0
        self._announced = bytearray(len(self._announced))
        for shard in self._open.values():
            shard.forget()

    def _opened(self, name: str) -> MappedShard:
        if len(self._open) >= self._most:
            # Dropped, not closed: arrays of it may be in use, and the mapping ends with the last of them.
            del self._open[next(iter(self._open))]
        shard = MappedShard(self._folder / f"{name}.safetensors", self._shape)
        if self._last_stop[name] > len(shard.values):
            raise FeatureError(
                f"shard {shard.path} has {len(shard.values)} steps, but the index needs {self._last_stop[name]}; "
                "delete the index next to it and run `merflow features extract` again"
            )
        self._open[name] = shard
        return shard

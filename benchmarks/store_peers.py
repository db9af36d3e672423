"""The same entries in the store and in the formats that people use instead, and how each fills a batch."""

import hashlib
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from merflow.contracts.streams import StreamShape
from merflow.features.store.keyed import KeyedStore

WAYS = ("store", "npy", "pickle", "hdf5", "flat array", "memory copy")
SHARD = 128

# Copies entries into a batch ``(N, T, D)`` float16.
Fill = Callable[[Sequence[int], np.ndarray], None]


@dataclass(frozen=True)
class Entries:
    """A number of entries of one size."""

    steps: int
    width: int
    entries: int

    @property
    def shape(self) -> tuple[int, int]:
        """Return the shape of one entry."""
        return self.steps, self.width

    @property
    def size_bytes(self) -> int:
        """Return the size of one entry in bytes."""
        return 2 * self.steps * self.width


def digest(number: int) -> str:
    """Return an entry's key."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def prepare(folder: Path, item: Entries) -> None:
    """Write the same random entries in every format and flush them to disk."""
    random = np.random.default_rng(0)
    (folder / "npy").mkdir()
    keyed = KeyedStore(folder / "store", StreamShape(None, item.width))
    everything = {}
    with (folder / "flat.bin").open("wb") as flat, h5py.File(folder / "all.h5", "w") as hdf5:
        for start in range(0, item.entries, SHARD):
            block = range(start, min(item.entries, start + SHARD))
            values = random.standard_normal((len(block), *item.shape), dtype=np.float32).astype(np.float16)
            keyed.write_shard([digest(number) for number in block], list(values))
            values.tofile(flat)
            for number, entry in zip(block, values, strict=True):
                np.save(folder / "npy" / f"{number}.npy", entry)
                hdf5.create_dataset(str(number), data=entry)
                everything[number] = entry
    with (folder / "all.pickle").open("wb") as file:
        pickle.dump(everything, file, protocol=pickle.HIGHEST_PROTOCOL)
    os.sync()


def forget_files(folder: Path) -> None:
    """Write every file below a folder to disk, and drop it from the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())  # the cache keeps what is not on disk yet
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def opened(way: str, folder: Path, item: Entries) -> Fill:
    """Return the function that copies entries into a batch with one of the methods."""
    if way == "store":
        return _store(folder / "store", item)
    if way == "hdf5":
        return _hdf5(folder / "all.h5")
    if way == "npy":
        return _each(lambda number: np.load(folder / "npy" / f"{number}.npy"))
    if way == "pickle":
        with (folder / "all.pickle").open("rb") as file:
            return _each(pickle.load(file).__getitem__)
    shape = (item.entries, *item.shape)
    if way == "flat array":
        return _each(np.asarray(np.memmap(folder / "flat.bin", dtype=np.float16, mode="r", shape=shape)).__getitem__)
    assert way == "memory copy", way
    return _each(np.fromfile(folder / "flat.bin", dtype=np.float16).reshape(shape).__getitem__)


def _each(entry: Callable[[int], np.ndarray]) -> Fill:
    def fill(numbers: Sequence[int], batch: np.ndarray) -> None:
        for place, number in enumerate(numbers):
            batch[place] = entry(number)

    return fill


def _store(folder: Path, item: Entries) -> Fill:
    keyed = KeyedStore(folder, StreamShape(None, item.width))
    places = keyed.locations()
    everything = keyed.open_entries([places[digest(number)] for number in range(item.entries)])

    def fill(numbers: Sequence[int], batch: np.ndarray) -> None:
        for place, entry in enumerate(everything.entries(numbers)):
            batch[place] = entry

    return fill


def _hdf5(path: Path) -> Fill:
    file = h5py.File(path, "r")

    def fill(numbers: Sequence[int], batch: np.ndarray) -> None:
        for place, number in enumerate(numbers):
            file[str(number)].read_direct(batch, dest_sel=np.s_[place])

    return fill

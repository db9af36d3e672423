"""Shards: many entries end to end in one safetensors file, written once and read in place.

A shard holds ``digests`` (E, 32) uint8, ``steps`` (E,) int64 and ``values`` (S, D) or (S, L, D) float16, whose first
axis is all entries one after the other; its metadata holds a SHA-256 over the three. Readers map the file, so that an
entry costs one copy out of the page cache; what they touched is let go of now and then, so that it does not count as
their memory for good.

Shapes: E entries, S steps of the whole shard, T steps of an entry, L layers, D width.
"""

import errno
import hashlib
import json
import mmap
import os
import struct
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from merflow.contracts.errors import FeatureError
from merflow.contracts.files import output_errors
from merflow.contracts.streams import StreamShape

AGAIN = "delete it and run `merflow features extract` again"

_DTYPES = {"digests": "U8", "steps": "I64", "values": "F16"}
_BYTES = {"U8": 1, "I64": 8, "F16": 2}
# What file systems without hard links answer.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_READ_BYTES = 8 << 20
# Mapped pages are let go of after so many bytes were read.
_TOUCHED_BYTES = 4 << 30
# Smaller entries are in the cache after a moment; telling the system about each would take longer than it saves.
_WORTH_EXPECTING = 128 << 10


class Place(NamedTuple):
    """Where an entry is: steps ``offset`` to ``offset + steps`` of a shard."""

    shard: str
    offset: int
    steps: int


def entry_shape(shape: StreamShape) -> tuple[int, ...]:
    """``(D,)`` or ``(L, D)``: one step of an entry."""
    return (shape.width,) if shape.layers is None else (shape.layers, shape.width)


def shard_name(digests: Sequence[str]) -> str:
    """The name under which exactly these entries are stored."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def write_shard(path: Path, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> bool:
    """Entries ``(T, D)`` or ``(T, L, D)`` float16 as one shard, without a second copy of them in memory.

    Returns:
        Whether the file is this call's; False where the shard was complete before, which stays as it is.

    Raises:
        OutputError: The folder is read-only, the disk full.
    """
    steps = np.array([len(array) for array in arrays], dtype="<i8")
    keys = np.stack([np.frombuffer(bytes.fromhex(one), dtype=np.uint8) for one in digests])
    blocks = {"digests": [keys], "steps": [steps], "values": [np.ascontiguousarray(one, "<f2") for one in arrays]}
    shapes = {
        "digests": list(keys.shape),
        "steps": list(steps.shape),
        "values": [int(steps.sum()), *arrays[0].shape[1:]],
    }
    sha = hashlib.sha256()
    for block in (block for name in blocks for block in blocks[name] if block.size):
        sha.update(block.data)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_header(shapes, sha256=sha.hexdigest()))
                for block in (block for name in blocks for block in blocks[name] if block.size):
                    file.write(block.data)
                file.flush()
                os.fsync(file.fileno())
            return publish(Path(name), path)
        finally:
            Path(name).unlink(missing_ok=True)


def publish(part: Path, path: Path) -> bool:
    """Gives a finished file its name, unless there is one of that name; returns whether it did."""
    part.chmod(0o644)
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if path.exists():  # a file system without hard links leaves a moment in which both may write the same
            return False
        part.replace(path)
    return True


def _header(shapes: dict[str, list[int]], *, sha256: str) -> bytes:
    """The safetensors header: its length, then JSON padded to a multiple of 8 bytes."""
    entries: dict[str, Any] = {"__metadata__": {"sha256": sha256}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + int(np.prod(shape)) * _BYTES[_DTYPES[name]]
        entries[name] = {"dtype": _DTYPES[name], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


class Shard:
    """A complete shard, open for reading.

    Raises:
        FeatureError: The file is missing, corrupt, cut off, or of other sizes than the store's.
    """

    def __init__(self, path: Path, shape: StreamShape) -> None:
        self._path = path
        self._entry = entry_shape(shape)
        self._step_bytes = 2 * int(np.prod(self._entry))
        if not path.is_file():
            raise FeatureError(f"the store lost shard {path}; run `merflow features extract` again")
        self._file = path.open("rb", buffering=0)
        try:
            self._start, self._tensors, self.sha256 = self._read_header()
            self._values = self._start + self._tensors["values"]["data_offsets"][0]
            self.steps = int(self._tensors["values"]["shape"][0])
            self._check()
        except (ValueError, KeyError, TypeError, IndexError, struct.error, OSError) as error:
            self._file.close()
            raise FeatureError(f"shard {path} is corrupt ({error}); {AGAIN}") from error

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()

    def entries(self) -> tuple[list[str], np.ndarray]:
        """Digests of the inputs, and each entry's steps ``(E,)`` int64, in the shard's order.

        Raises:
            FeatureError: The two do not fit the values.
        """
        keys = np.frombuffer(self._block("digests"), dtype=np.uint8).reshape(self._tensors["digests"]["shape"])
        steps = np.frombuffer(self._block("steps"), dtype="<i8")
        if int(steps.sum()) != self.steps or keys.shape != (len(steps), 32):
            raise FeatureError(
                f"shard {self._path} is corrupt: {len(keys)} entries of {int(steps.sum())} steps in an array of "
                f"{self.steps}; {AGAIN}"
            )
        return [row.tobytes().hex() for row in keys], steps

    def entry(self, place: Place) -> np.ndarray:
        """``(T, D)`` or ``(T, L, D)`` float16, read-only, in the mapped file.

        Raises:
            FeatureError: The index points beyond the shard's end.
        """
        end = place.offset + place.steps
        if end > self.steps:
            raise FeatureError(
                f"shard {self._path} has {self.steps} steps, the index asks for {end}; "
                "delete the index beside it and run `merflow features extract` again"
            )
        return self._mapped[place.offset : end]

    def read_into(self, place: Place, values: np.ndarray) -> None:
        """Copies an entry into ``values``, an array of its shape.

        Raises:
            FeatureError: As :meth:`entry`.
        """
        np.copyto(values, self.entry(place))

    def expect(self, place: Place) -> None:
        """Tells the system that an entry is read soon, so that cold entries of a batch come from disk side by side."""
        size = place.steps * self._step_bytes
        if size >= _WORTH_EXPECTING and hasattr(mmap, "MADV_WILLNEED"):
            start = self._values + place.offset * self._step_bytes
            aligned = start - start % mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, aligned, size + start - aligned)

    def forget(self) -> None:
        """Lets go of the mapped pages; they stay in the system's cache."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    @cached_property
    def _map(self) -> mmap.mmap:
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def _mapped(self) -> np.ndarray:
        count = self.steps * self._step_bytes // 2
        if not count:
            return np.zeros((self.steps, *self._entry), dtype=np.float16)
        return np.frombuffer(self._map, "<f2", count=count, offset=self._values).reshape(self.steps, *self._entry)

    def checksum(self) -> str:
        """SHA-256 of what the file holds now, to compare with :attr:`sha256`; reads all of it."""
        sha = hashlib.sha256()
        for name in _DTYPES:
            start, stop = self._tensors[name]["data_offsets"]
            for at in range(start, stop, _READ_BYTES):
                block = bytearray(min(_READ_BYTES, stop - at))
                self._read_at(self._start + at, memoryview(block))
                sha.update(block)
        return sha.hexdigest()

    def _read_header(self) -> tuple[int, dict[str, Any], str | None]:
        size = os.fstat(self._file.fileno()).st_size
        (length,) = struct.unpack("<Q", os.pread(self._file.fileno(), 8, 0))
        if length > size - 8:
            raise ValueError(f"{size} bytes, its header alone has {length}")
        tensors: dict[str, Any] = json.loads(os.pread(self._file.fileno(), length, 8))
        sha256 = tensors.pop("__metadata__", {}).get("sha256")
        end = max(tensor["data_offsets"][1] for tensor in tensors.values())
        if size != 8 + length + end:
            raise ValueError(f"{size} bytes instead of {8 + length + end}")
        return 8 + length, tensors, sha256

    def _check(self) -> None:
        if {name: tensor["dtype"] for name, tensor in self._tensors.items()} != _DTYPES:
            raise ValueError(f"holds {', '.join(self._tensors)} of other types than a shard's")
        for name, tensor in self._tensors.items():
            start, stop = tensor["data_offsets"]
            if stop - start != int(np.prod(tensor["shape"])) * _BYTES[_DTYPES[name]]:
                raise ValueError(f"{name} has {stop - start} bytes for shape {tensor['shape']}")
        held = self._tensors["values"]["shape"]
        if tuple(held[1:]) != self._entry:
            raise ValueError(f"holds {held}, expected steps of {list(self._entry)}")

    def _block(self, name: str) -> bytearray:
        start, stop = self._tensors[name]["data_offsets"]
        block = bytearray(stop - start)
        self._read_at(self._start + start, memoryview(block))
        return block

    def _read_at(self, offset: int, target: memoryview) -> None:
        try:
            while target:
                count = os.preadv(self._file.fileno(), [target], offset)
                if not count:
                    raise EOFError(f"ends at byte {offset}")
                offset, target = offset + count, target[count:]
        except (OSError, EOFError) as error:
            raise FeatureError(f"shard {self._path} is corrupt ({error}); {AGAIN}") from error


class OpenShards:
    """The shards of one key by name, opened when they are asked for.

    Args:
        folder: ``<key>/shards``.
        shape: Layers and width of every entry.
        most: Files open at a time; the one opened first is closed first.
    """

    def __init__(self, folder: Path, shape: StreamShape, *, most: int) -> None:
        self._folder = folder
        self._shape = shape
        self._most = most
        self._open: dict[str, Shard] = {}
        self._touched = 0

    def entry(self, place: Place) -> np.ndarray:
        """``(T, D)`` or ``(T, L, D)`` float16, read-only.

        Raises:
            FeatureError: As :class:`Shard`.
        """
        values = self[place.shard].entry(place)
        self._touched += values.nbytes
        if self._touched > _TOUCHED_BYTES:
            self._touched = 0
            for shard in self._open.values():
                shard.forget()
        return values

    def expect(self, place: Place) -> None:
        """As :meth:`Shard.expect`."""
        self[place.shard].expect(place)

    def __getitem__(self, name: str) -> Shard:
        """An open shard.

        Raises:
            FeatureError: As :class:`Shard`.
        """
        if name in self._open:
            return self._open[name]
        if len(self._open) >= self._most:
            # Not closed: arrays of it may be in use; the last of them takes the mapping with it.
            del self._open[next(iter(self._open))]
        self._open[name] = shard = Shard(self._folder / f"{name}.safetensors", self._shape)
        return shard

"""Shards: many entries end to end in one safetensors file, written once.

A shard holds ``digests`` (E, 32) uint8, ``steps`` (E,) int64 and ``values`` (S, D) or (S, L, D) float16, whose first
axis is all entries one after the other; its metadata holds a SHA-256 over the three.

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
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from merflow.contracts.streams import StreamShape
from merflow.errors import FeatureError
from merflow.storage.local import output_errors

AGAIN = "delete it and run `merflow features extract` again"

_DTYPES = {"digests": "U8", "steps": "I64", "values": "F16"}
_BYTES = {"U8": 1, "I64": 8, "F16": 2}
# What file systems without hard links answer.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_READ_BYTES = 8 << 20


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


def _opened(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        remedy = (
            "allow more open files with `ulimit -n`"
            if error.errno in (errno.EMFILE, errno.ENFILE)
            else "let this user read the store"
        )
        raise FeatureError(f"cannot open shard {path}: {error.strerror}; {remedy}") from error


class Shard:
    """A complete shard, open for a look into it.

    Attributes:
        steps: S.
        values_at: Where in the file the values begin, in bytes.
        sha256: The checksum that was written with it.

    Raises:
        FeatureError: The file is missing, corrupt, cut off, or of other sizes than the store's.
    """

    def __init__(self, path: Path, shape: StreamShape) -> None:
        self._path = path
        self._entry = entry_shape(shape)
        if not path.is_file():
            raise FeatureError(f"the store lost shard {path}; run `merflow features extract` again")
        self._file = _opened(path)
        try:
            self._start, self._tensors, self.sha256 = self._read_header()
            self.values_at = self._start + self._tensors["values"]["data_offsets"][0]
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

    def mapped(self) -> mmap.mmap:
        """The whole file in the address space, read-only; it stays when the shard is closed."""
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

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

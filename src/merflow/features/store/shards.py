"""Shards: safetensors files of many entries, written once.

A shard holds ``digests`` (E, 32) uint8, ``steps`` (E,) int64 and ``values`` (S, D) or (S, L, D) float16, whose first
axis holds the steps of all entries, one entry after the other. Its metadata has a SHA-256 of the three.

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
# Error numbers of file systems without hard links.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_READ_BYTES = 8 << 20


class EntryLocation(NamedTuple):
    """The location of an entry: steps ``offset`` to ``offset + steps`` of a shard."""

    shard: str
    offset: int
    steps: int


def entry_shape(shape: StreamShape) -> tuple[int, ...]:
    """Return the shape of one step of an entry: ``(D,)`` or ``(L, D)``."""
    return (shape.width,) if shape.layers is None else (shape.layers, shape.width)


def shard_name(digests: Sequence[str]) -> str:
    """Return the name of the shard of exactly these entries."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def write_shard(path: Path, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> bool:
    """Write entries ``(T, D)`` or ``(T, L, D)`` float16 as one shard, without copying them in memory.

    Returns:
        True if this call made the file; False if the shard was complete before, and so left as it is.

    Raises:
        OutputError: The folder is read-only or the disk is full.
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
    """Give a finished file its name, unless another file has it; return True if it did."""
    part.chmod(0o644)
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if path.exists():  # without hard links, two processes may both get here and write the same content
            return False
        part.replace(path)
    return True


def _header(shapes: dict[str, list[int]], *, sha256: str) -> bytes:
    """Return the safetensors header: its length, then JSON padded to a multiple of 8 bytes."""
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
    """A complete shard, open to be inspected.

    Attributes:
        steps: S, the steps of all entries.
        values_at: Offset of the values in the file, in bytes.
        sha256: The checksum that was written with it.

    Raises:
        FeatureError: The file is missing, corrupt or truncated, or its entries have another shape than the store's.
    """

    def __init__(self, path: Path, shape: StreamShape) -> None:
        self._path = path
        self._entry = entry_shape(shape)
        if not path.is_file():
            raise FeatureError(f"shard {path} is missing from the store; run `merflow features extract` again")
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
        """Close the file."""
        self._file.close()

    def entries(self) -> tuple[list[str], np.ndarray]:
        """Return the digests of the inputs, and each entry's steps ``(E,)`` int64, in the shard's order.

        Raises:
            FeatureError: The two do not match the values.
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
        """Map the whole file into memory, read-only; the mapping outlives :meth:`close`."""
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def checksum(self) -> str:
        """Read the whole file and return its SHA-256, to compare with :attr:`sha256`."""
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
            raise ValueError(f"it has {size} bytes, but its header alone has {length}")
        tensors: dict[str, Any] = json.loads(os.pread(self._file.fileno(), length, 8))
        sha256 = tensors.pop("__metadata__", {}).get("sha256")
        end = max(tensor["data_offsets"][1] for tensor in tensors.values())
        if size != 8 + length + end:
            raise ValueError(f"it has {size} bytes instead of {8 + length + end}")
        return 8 + length, tensors, sha256

    def _check(self) -> None:
        if {name: tensor["dtype"] for name, tensor in self._tensors.items()} != _DTYPES:
            raise ValueError(f"its tensors ({', '.join(self._tensors)}) are not those of a shard")
        for name, tensor in self._tensors.items():
            start, stop = tensor["data_offsets"]
            if stop - start != int(np.prod(tensor["shape"])) * _BYTES[_DTYPES[name]]:
                raise ValueError(f"its {name} have {stop - start} bytes for shape {tensor['shape']}")
        shape = self._tensors["values"]["shape"]
        if tuple(shape[1:]) != self._entry:
            raise ValueError(f"its values have shape {shape}, expected steps of shape {list(self._entry)}")

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
                    raise EOFError(f"it ends at byte {offset}")
                offset, target = offset + count, target[count:]
        except (OSError, EOFError) as error:
            raise FeatureError(f"shard {self._path} is corrupt ({error}); {AGAIN}") from error

"""The feature store: one folder an encoder key, holding what that encoder made of every recording or text it saw.

    <root>/<key>/meta.json                    encoder, clip, pooling, dtype, layers, width
    <root>/<key>/shards/<name>.safetensors    up to so many entries, end to end in one tensor
    <root>/<key>/index-<manifest>.parquet     where each utterance of a manifest is; written last

An entry is found by the digest of what it was made from, so corpora share a store, and a corrected transcript is one
new entry. A shard is named by its entries' digests and appears whole or not at all: two processes that extract the
same write the same file. Shards are never changed.

Shapes: S steps of a whole shard, T steps of an entry, L layers, D width.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from merflow.contracts.errors import FeatureError, MerflowError
from merflow.contracts.files import replacing, write_json
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream, StreamShape
from merflow.contracts.tables import conform
from merflow.features.encoders import STORED_DTYPE, describe, encoder_key

_AGAIN = "delete it and run `merflow features extract` again"

# One row an utterance of the manifest. Absent input (no recording, empty transcript) has no digest and no shard.
INDEX = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("digest", pa.string()),
        pa.field("shard", pa.string()),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("steps", pa.int64(), nullable=False),
    ]
)


class Place(NamedTuple):
    """Where an entry is: steps ``offset`` to ``offset + steps`` of a shard."""

    shard: str
    offset: int
    steps: int


@dataclass(frozen=True)
class KeyedStore:
    """The folder of one encoder key.

    Attributes:
        folder: ``<root>/<key>``.
        shape: Layers and width of its entries.
    """

    folder: Path
    shape: StreamShape

    def places(self) -> dict[str, Place]:
        """Every entry of the store by the digest of its input.

        Raises:
            FeatureError: A shard is corrupt.
        """
        found: dict[str, Place] = {}
        for path in sorted((self.folder / "shards").glob("*.safetensors")):
            digests, steps = self._entries(path)
            offsets = np.cumsum(steps) - steps
            for one, offset, length in zip(digests, offsets.tolist(), steps.tolist(), strict=True):
                found.setdefault(one, Place(path.stem, offset, length))
        return found

    def has_shard(self, digests: Sequence[str]) -> bool:
        """Whether the shard of exactly these entries is complete."""
        return self._path(_shard_name(digests)).is_file()

    def write_shard(self, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
        """Entries ``(T, D)`` or ``(T, L, D)`` as one shard.

        Raises:
            OutputError: The folder is read-only, the disk full.
        """
        tensors: dict[str, np.ndarray] = {
            "digests": np.stack([np.frombuffer(bytes.fromhex(one), dtype=np.uint8) for one in digests]),
            "steps": np.array([len(array) for array in arrays], dtype=np.int64),
            "values": np.concatenate(arrays).astype(STORED_DTYPE, copy=False),
        }
        with replacing(self._path(_shard_name(digests))) as part:
            save_file(tensors, part, metadata={"sha256": _checksum(tensors)})

    def verify(self) -> int:
        """Reads every shard against its recorded checksum and returns how many there are.

        Raises:
            FeatureError: A shard is corrupt.
        """
        paths = sorted((self.folder / "shards").glob("*.safetensors"))
        for path in paths:
            with _opened(path) as shard:
                tensors = {name: shard.get_tensor(name) for name in ("digests", "steps", "values")}
                recorded = (shard.metadata() or {}).get("sha256")
            if _checksum(tensors) != recorded:
                raise FeatureError(f"shard {path} does not match its checksum {recorded}; {_AGAIN}")
        return len(paths)

    def write_index(self, manifest_hash: str, rows: pd.DataFrame) -> None:
        """Where each utterance of a manifest is: columns of :data:`INDEX`.

        Raises:
            OutputError: The folder is read-only, the disk full.
        """
        path = self._index(manifest_hash)
        table = conform(rows, INDEX, where=str(path))
        with replacing(path) as part:
            pq.write_table(table, part)

    def read_index(self, manifest_hash: str) -> pd.DataFrame:
        """Columns of :data:`INDEX`, one row an utterance of the manifest.

        Raises:
            FeatureError: The manifest's features were never extracted as a whole, or the index is corrupt.
        """
        path = self._index(manifest_hash)
        if not path.is_file():
            raise FeatureError(
                f"{self.folder} holds no index of manifest {manifest_hash}; run `merflow features extract` first"
            )
        try:
            return conform(pq.read_table(path).to_pandas(), INDEX, where=str(path)).to_pandas()
        except (pa.ArrowInvalid, OSError, MerflowError) as error:
            raise FeatureError(f"index {path} is corrupt ({error}); {_AGAIN}") from error

    def open_shard(self, name: str) -> "Shard":
        """A complete shard, memory-mapped.

        Raises:
            FeatureError: The shard is missing or corrupt.
        """
        return Shard(self._path(name), self.shape)

    def _entries(self, path: Path) -> tuple[list[str], np.ndarray]:
        with _opened(path) as shard:
            digests, steps = shard.get_tensor("digests"), shard.get_tensor("steps")
            held = shard.get_slice("values").get_shape()
        if held != [int(steps.sum()), *_entry_shape(self.shape)] or digests.shape != (len(steps), 32):
            raise FeatureError(f"shard {path} is corrupt: {len(steps)} entries in an array of {held}; {_AGAIN}")
        return [row.tobytes().hex() for row in digests], steps

    def _path(self, name: str) -> Path:
        return self.folder / "shards" / f"{name}.safetensors"

    def _index(self, manifest_hash: str) -> Path:
        return self.folder / f"index-{manifest_hash}.parquet"


class Shard:
    """A memory-mapped shard; reading an entry touches its bytes alone."""

    def __init__(self, path: Path, shape: StreamShape) -> None:
        if not path.is_file():
            raise FeatureError(f"the store lost shard {path}; run `merflow features extract` again")
        with _readable(path):
            shard: Any = safe_open(path, framework="np")
            self._values = shard.get_slice("values")
        self._path = path
        self._held = self._values.get_shape()
        if self._held[1:] != _entry_shape(shape) or self._values.get_dtype() != "F16":
            raise FeatureError(
                f"shard {path} holds {self._values.get_dtype()} {self._held}, expected {_entry_shape(shape)}; {_AGAIN}"
            )

    def entry(self, place: Place) -> np.ndarray:
        """``(T, D)`` or ``(T, L, D)`` float16.

        Raises:
            FeatureError: The index points beyond the shard's end.
        """
        if place.offset + place.steps > self._held[0]:
            raise FeatureError(
                f"shard {self._path} has {self._held[0]} steps, the index asks for {place.offset + place.steps}; "
                "delete the index beside it and run `merflow features extract` again"
            )
        values: np.ndarray = self._values[place.offset : place.offset + place.steps]
        return values


def create_store(root: Path, *, spec: EncoderSpec, stream: Stream, shape: StreamShape) -> KeyedStore:
    """The folder of a key, made where there is none yet.

    Raises:
        OutputError: The root is read-only, the disk full.
    """
    folder = root / encoder_key(spec, stream)
    if not (folder / "meta.json").is_file():
        write_json(folder / "meta.json", describe(spec, stream) | {"layers": shape.layers, "width": shape.width})
    return open_store(root, spec=spec, stream=stream)


def open_store(root: Path, *, spec: EncoderSpec, stream: Stream) -> KeyedStore:
    """The folder of a key.

    Raises:
        FeatureError: The stream was never extracted, or the folder's ``meta.json`` is corrupt.
    """
    folder = root / encoder_key(spec, stream)
    path = folder / "meta.json"
    if not path.is_file():
        raise FeatureError(
            f"{root} holds no features of encoder {spec.name!r} for {stream} (key {folder.name}); "
            "run `merflow features extract` first"
        )
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        shape = StreamShape(layers=meta.pop("layers"), width=meta.pop("width"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FeatureError(f"{path} is corrupt ({error}); {_AGAIN}") from error
    if meta != describe(spec, stream):
        raise FeatureError(f"{path} describes another encoder than key {folder.name}; {_AGAIN}")
    return KeyedStore(folder, shape)


def _entry_shape(shape: StreamShape) -> list[int]:
    return [shape.width] if shape.layers is None else [shape.layers, shape.width]


def _shard_name(digests: Sequence[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def _checksum(tensors: dict[str, np.ndarray]) -> str:
    sha = hashlib.sha256()
    for name in ("digests", "steps", "values"):
        sha.update(np.ascontiguousarray(tensors[name]).data if tensors[name].size else b"")
    return sha.hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """A shard that cannot be parsed, or is shorter than its header says, as a :class:`FeatureError`."""
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise FeatureError(f"shard {path} is corrupt ({error}); {_AGAIN}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with _readable(path), safe_open(path, framework="np") as shard:
        yield shard

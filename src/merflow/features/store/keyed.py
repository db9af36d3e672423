"""The feature store: one folder an encoder key, holding what that encoder made of every recording or text it saw.

    <root>/<key>/meta.json                    encoder, clip, pooling, dtype, layers, width
    <root>/<key>/shards/<name>.safetensors    up to so many entries, end to end in one tensor
    <root>/<key>/index-<manifest>.parquet     where each utterance of a manifest is; written last

An entry is found by the digest of what it was made from, so corpora share a store, and a corrected transcript is one
new entry. A shard is named by its entries' digests and appears whole or not at all: two processes that extract the
same write the same file. Shards are never changed.

Shapes: S steps of a whole shard, T steps of an entry, L layers, D width.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream, StreamShape
from merflow.contracts.tables import conform
from merflow.errors import FeatureError, MerflowError
from merflow.features.encoders.catalogue import describe, encoder_key
from merflow.features.store.open_shards import OpenEntries
from merflow.features.store.shards import AGAIN, Place, Shard, shard_name, write_shard
from merflow.storage.local import replacing, write_json

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


@dataclass(frozen=True)
class KeyedStore:
    """The folder of one encoder key.

    Attributes:
        folder: ``<root>/<key>``.
        shape: Layers and width of its entries.
    """

    folder: Path
    shape: StreamShape

    @property
    def claims(self) -> Path:
        """Where processes say which shard they work on."""
        return self.folder / "claims"

    def places(self) -> dict[str, Place]:
        """Every entry of the store by the digest of its input.

        Raises:
            FeatureError: A shard is corrupt.
        """
        return self.catalogue().places

    def catalogue(self) -> "Catalogue":
        """The entries that are there now."""
        catalogue = Catalogue(self.folder / "shards", self.shape)
        catalogue.refresh()
        return catalogue

    def has_shard(self, digests: Sequence[str]) -> bool:
        """Whether the shard of exactly these entries is complete."""
        return self._path(shard_name(digests)).is_file()

    def write_shard(self, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> bool:
        """Entries ``(T, D)`` or ``(T, L, D)`` as one shard; False where it was complete before.

        Raises:
            OutputError: The folder is read-only, the disk full.
        """
        return write_shard(self._path(shard_name(digests)), digests, arrays)

    def verify(self) -> int:
        """Reads every shard against its recorded checksum and returns how many there are.

        Raises:
            FeatureError: A shard is corrupt.
        """
        paths = self.shard_files()
        for path in paths:
            verify_shard(path, self.shape)
        return len(paths)

    def shard_files(self) -> list[Path]:
        """Every complete shard, by name."""
        return sorted((self.folder / "shards").glob("*.safetensors"))

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
            raise FeatureError(f"index {path} is corrupt ({error}); {AGAIN}") from error

    def open_shard(self, name: str) -> Shard:
        """A complete shard, open for a look into it.

        Raises:
            FeatureError: The shard is missing or corrupt.
        """
        return Shard(self._path(name), self.shape)

    def open_entries(self, places: Sequence[Place], *, most: int = 128) -> OpenEntries:
        """Entries by their number among these; their shards are opened when asked for, at most so many at a time."""
        return OpenEntries(self.folder / "shards", self.shape, places, most=most)

    def read(self, place: Place) -> np.ndarray:
        """One entry, ``(T, D)`` or ``(T, L, D)`` float16, read-only.

        Raises:
            FeatureError: Its shard is missing or corrupt.
        """
        return self.open_entries([place]).entries([0])[0]

    def _path(self, name: str) -> Path:
        return self.folder / "shards" / f"{name}.safetensors"

    def _index(self, manifest_hash: str) -> Path:
        return self.folder / f"index-{manifest_hash}.parquet"


class Catalogue:
    """What a growing folder of shards holds; every shard is looked into once.

    Attributes:
        places: Entries by the digest of their input.
    """

    def __init__(self, folder: Path, shape: StreamShape) -> None:
        self.places: dict[str, Place] = {}
        self._folder = folder
        self._shape = shape
        self._known: set[str] = set()

    def refresh(self) -> list[str]:
        """Takes in the shards that have appeared, and returns what is new.

        Raises:
            FeatureError: A shard is corrupt.
        """
        new: list[str] = []
        for path in sorted(self._folder.glob("*.safetensors")):
            if path.stem in self._known:
                continue
            shard = Shard(path, self._shape)
            digests, steps = shard.entries()
            shard.close()
            self._known.add(path.stem)
            offsets = np.cumsum(steps) - steps
            for one, offset, length in zip(digests, offsets.tolist(), steps.tolist(), strict=True):
                self.places.setdefault(one, Place(path.stem, offset, length))
            new += digests
        return new


def verify_shard(path: Path, shape: StreamShape) -> None:
    """Reads a whole shard against its recorded checksum.

    Raises:
        FeatureError: The shard is corrupt.
    """
    shard = Shard(path, shape)
    try:
        shard.entries()
        if shard.checksum() != shard.sha256:
            raise FeatureError(f"shard {path} does not match its checksum {shard.sha256}; {AGAIN}")
    finally:
        shard.close()


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
        raise FeatureError(f"{path} is corrupt ({error}); {AGAIN}") from error
    if meta != describe(spec, stream):
        raise FeatureError(f"{path} describes another encoder than key {folder.name}; {AGAIN}")
    return KeyedStore(folder, shape)

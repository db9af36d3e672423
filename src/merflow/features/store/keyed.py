"""The feature store: one folder per encoder key, with all of the encoder's outputs for recordings, texts and videos.

    <root>/<key>/meta.json                    the key (encoder, clip, pooling, dtype), layers, width
    <root>/<key>/shards/<name>.safetensors    many entries, end to end in one tensor
    <root>/<key>/index-<manifest>.parquet     the location of each utterance of a manifest; written last

An entry is found by the digest of its input. So corpora share a store, and a corrected transcript adds one entry. A
shard is named after its entries' digests and appears whole or not at all: two processes that extract the same inputs
write the same file. Shards never change.

Shapes: S steps of a whole shard, T steps of an entry, L layers, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.feature_key import FeatureKey, read_feature_key, write_feature_key
from merflow.contracts.streams import StreamShape
from merflow.contracts.tables import conform
from merflow.errors import FeatureError, MerflowError
from merflow.features.store.open_shards import OpenEntries
from merflow.features.store.shards import AGAIN, EntryLocation, Shard, shard_name, write_shard
from merflow.storage.local import replacing

META = "meta.json"

# One row per utterance of the manifest. An absent input (no recording, empty transcript) has no digest and no shard.
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
        """Folder in which processes claim the shards that they work on."""
        return self.folder / "claims"

    def locations(self) -> dict[str, EntryLocation]:
        """Return the location of every entry by the digest of its input.

        Raises:
            FeatureError: A shard is corrupt.
        """
        return self.entries().locations

    def entries(self) -> "StoredEntries":
        """Return the entries that are complete now.

        Raises:
            FeatureError: A shard is corrupt.
        """
        entries = StoredEntries(self.folder / "shards", self.shape)
        entries.refresh()
        return entries

    def write_shard(self, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> bool:
        """Write entries ``(T, D)`` or ``(T, L, D)`` as one shard; return False if it was complete before.

        Raises:
            OutputError: The folder is read-only or the disk is full.
        """
        return write_shard(self._path(shard_name(digests)), digests, arrays)

    def verify(self) -> int:
        """Check every shard against its recorded checksum and return the number of shards.

        Raises:
            FeatureError: A shard is corrupt.
        """
        paths = self.shard_files()
        for path in paths:
            verify_shard(path, self.shape)
        return len(paths)

    def shard_files(self) -> list[Path]:
        """Return the path of every complete shard, in the order of names."""
        return sorted((self.folder / "shards").glob("*.safetensors"))

    def write_index(self, manifest_hash: str, rows: pd.DataFrame) -> None:
        """Write the location of each utterance of a manifest, with the columns of :data:`INDEX`.

        Raises:
            OutputError: The folder is read-only or the disk is full.
        """
        path = self._index(manifest_hash)
        table = conform(rows, INDEX, where=str(path))
        with replacing(path) as part:
            pq.write_table(table, part)

    def read_index(self, manifest_hash: str) -> pd.DataFrame:
        """Read the columns of :data:`INDEX`, one row per utterance of the manifest.

        Raises:
            FeatureError: The manifest's features were never extracted as a whole, or the index is corrupt.
        """
        path = self._index(manifest_hash)
        if not path.is_file():
            raise FeatureError(
                f"{self.folder} has no index of manifest {manifest_hash}; run `merflow features extract` first"
            )
        try:
            return conform(pq.read_table(path).to_pandas(), INDEX, where=str(path)).to_pandas()
        except (pa.ArrowInvalid, OSError, MerflowError) as error:
            raise FeatureError(f"index {path} is corrupt ({error}); {AGAIN}") from error

    def open_shard(self, name: str) -> Shard:
        """Open a complete shard to inspect it.

        Raises:
            FeatureError: The shard is missing or corrupt.
        """
        return Shard(self._path(name), self.shape)

    def open_entries(self, locations: Sequence[EntryLocation], *, most: int = 128) -> OpenEntries:
        """Return the entries at these locations, read by number; at most ``most`` of their shards are open at a time.

        A shard is opened when one of its entries is first read.
        """
        return OpenEntries(self.folder / "shards", self.shape, locations, most=most)

    def read(self, location: EntryLocation) -> np.ndarray:
        """Read one entry, ``(T, D)`` or ``(T, L, D)`` float16, read-only.

        Raises:
            FeatureError: Its shard is missing or corrupt.
        """
        return self.open_entries([location]).entries([0])[0]

    def _path(self, name: str) -> Path:
        return self.folder / "shards" / f"{name}.safetensors"

    def _index(self, manifest_hash: str) -> Path:
        return self.folder / f"index-{manifest_hash}.parquet"


class StoredEntries:
    """The entries of a growing folder of shards; every shard is read once.

    Attributes:
        locations: Location of each entry by the digest of its input.
    """

    def __init__(self, folder: Path, shape: StreamShape) -> None:
        self.locations: dict[str, EntryLocation] = {}
        self._folder = folder
        self._shape = shape
        self._read: set[str] = set()

    def refresh(self) -> list[str]:
        """Read the shards that have appeared since the last call and return the digests of their entries.

        Raises:
            FeatureError: A shard is corrupt.
        """
        new: list[str] = []
        for path in sorted(self._folder.glob("*.safetensors")):
            if path.stem in self._read:
                continue
            shard = Shard(path, self._shape)
            digests, steps = shard.entries()
            shard.close()
            self._read.add(path.stem)
            offsets = np.cumsum(steps) - steps
            for one, offset, length in zip(digests, offsets.tolist(), steps.tolist(), strict=True):
                self.locations.setdefault(one, EntryLocation(path.stem, offset, length))
            new += digests
        return new


def verify_shard(path: Path, shape: StreamShape) -> None:
    """Check a whole shard against its recorded checksum.

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


def create_store(root: Path, key: FeatureKey, *, shape: StreamShape) -> KeyedStore:
    """Open the folder of a key; create it if there is none.

    Raises:
        FeatureError: The folder's ``meta.json`` is corrupt.
        OutputError: The root is read-only or the disk is full.
    """
    path = root / key.digest / META
    if not path.is_file():
        write_feature_key(path, key, shape=shape)
    return open_store(root, key)


def open_store(root: Path, key: FeatureKey) -> KeyedStore:
    """Open the folder of a key.

    Raises:
        FeatureError: No features were extracted under this key, or the folder's ``meta.json`` is corrupt.
    """
    path = root / key.digest / META
    if not path.is_file():
        cut = "whole recordings" if key.clip_s is None else f"clips of {key.clip_s:g} s"
        raise FeatureError(
            f"{root} has no features of encoder {key.encoder.label} for {cut} (key {key.digest}); "
            "run `merflow features extract` first"
        )
    stored, shape = read_feature_key(path)
    if stored.facts != key.facts:
        raise FeatureError(f"{path} describes another encoder than key {key.digest}; {AGAIN}")
    return KeyedStore(path.parent, shape)

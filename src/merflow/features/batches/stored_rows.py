"""Entries of one stream in the store, by manifest row."""

from collections.abc import Sequence

import numpy as np

from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.store.keyed import KeyedStore
from merflow.features.store.shards import EntryLocation, entry_shape


class StoredRows:
    """Entries of one stream, as the index of a manifest lists them.

    Attributes:
        shape: Layers and width.
        entry_shape: Shape of one step, ``(D,)`` or ``(L, D)``.
        steps: ``(manifest rows,)`` int64; 0 if the utterance lacks the modality.

    Raises:
        FeatureError: The features of the manifest were not extracted completely, or the index is corrupt or belongs to
            another manifest.
    """

    def __init__(self, keyed: KeyedStore, manifest: Manifest) -> None:
        index = keyed.read_index(manifest.hash)
        if not index["utterance_id"].equals(manifest.rows["utterance_id"]):
            raise FeatureError(
                f"the index of manifest {manifest.hash} in {keyed.folder} lists other utterances than the manifest; "
                "delete it and run `merflow features extract` again"
            )
        self.shape = keyed.shape
        self.entry_shape = entry_shape(keyed.shape)
        self.steps = np.array(index["steps"], dtype=np.int64)
        columns = (index[name].tolist() for name in ("shard", "offset", "steps"))
        self._places = [EntryLocation(*fields) for fields in zip(*columns, strict=True)]
        self._entries = keyed.open_entries(self._places)

    def entries(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Return each row's ``(T, *entry_shape)`` float16, read-only. Only rows with steps have an entry, so T >= 1.

        Raises:
            FeatureError: A shard is missing or corrupt.
        """
        return self._entries.entries(rows)

    def as_stored(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows that have steps, in the order in which the shards store them."""
        return np.array(sorted(rows[self.steps[rows] > 0].tolist(), key=self._places.__getitem__), dtype=np.int64)

    def bytes_of(self, rows: np.ndarray) -> int:
        """Return the size of these rows in bytes, at 16 bits per value as they are stored."""
        return 2 * int(self.steps[rows].sum()) * int(np.prod(self.entry_shape))

"""One stream's entries in the store, by row of the manifest."""

from collections.abc import Sequence

import numpy as np

from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.store.keyed import KeyedStore
from merflow.features.store.shards import Place, entry_shape


class StoredRows:
    """What a manifest's index says of one stream.

    Attributes:
        shape: Layers and width.
        entry_shape: ``(D,)`` or ``(L, D)``, one step.
        steps: ``(rows of the manifest,)`` int64; 0 where an utterance lacks the modality.

    Raises:
        FeatureError: The manifest's features were never extracted as a whole, or the index is corrupt or of others.
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
        self._places = [Place(*fields) for fields in zip(*columns, strict=True)]
        self._entries = keyed.open_entries(self._places)

    def entries(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Each ``(T, *entry_shape)`` float16, read-only; T is at least 1, as only rows with steps have an entry.

        Raises:
            FeatureError: A shard is missing or corrupt.
        """
        return self._entries.entries(rows)

    def as_stored(self, rows: np.ndarray) -> np.ndarray:
        """The rows that have steps, in the order in which they lie in the shards."""
        return np.array(sorted(rows[self.steps[rows] > 0].tolist(), key=self._places.__getitem__), dtype=np.int64)

    def bytes_of(self, rows: np.ndarray) -> int:
        """What these rows take in 16 bits a value, as they are stored."""
        return 2 * int(self.steps[rows].sum()) * int(np.prod(self.entry_shape))

"""Utterances of a manifest as batches, read from the feature store.

Shapes: N utterances, T steps, L layers, D width, k neighbours on either side.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from merflow.contracts.batch import Batch
from merflow.contracts.errors import FeatureError
from merflow.contracts.presets import Profile
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest
from merflow.features.encoders import spec_of
from merflow.features.resident import ResidentStream
from merflow.features.shards import OpenShards, Place
from merflow.features.standardize import Standardizer
from merflow.features.store import KeyedStore, open_store


class FeatureDataset:
    """Some utterances of a manifest; a :class:`merflow.contracts.batch.BatchSource`.

    Attributes:
        utterance_ids: In the order in which they were asked for.
        lengths: ``(len,)`` int64 steps of each utterance's longest stream, neighbours left out.
        shapes: Role -> layers and width.
        labels: ``(len,)`` int64 class indices in the taxonomy's order, or None where an utterance has no emotion.
    """

    def __init__(
        self,
        manifest: Manifest,
        utterance_ids: Sequence[str],
        *,
        streams: Sequence[Stream],
        profile: Profile,
        store: Path,
        standardizer: Standardizer | None = None,
        resident_bytes: int = 0,
        resident_on: torch.device | None = None,
    ) -> None:
        """Opens the store; nothing is read but the indices.

        Args:
            manifest: The corpus.
            utterance_ids: Those of one part of a fold.
            streams: What the model asks for.
            profile: The encoders that made the features.
            store: The store's root.
            standardizer: Statistics to standardise by; none for features as they are.
            resident_bytes: Where all standardised features fit in so many bytes, the first batch reads them into
                memory, and no later one reads a file.
            resident_on: Whose memory; the host's where None. Batches are then on that device.

        Raises:
            FeatureError: An utterance is not in the manifest, or a stream was not extracted for it.
        """
        self.utterance_ids = tuple(utterance_ids)
        self._rows = _rows_of(manifest, self.utterance_ids)
        self._readers: dict[Role, _Reader] = {}
        self._members: dict[Role, np.ndarray] = {}  # (len, 2k + 1) manifest rows, -1 where there is no such turn
        self._neighbours = {stream.role: stream.neighbours for stream in streams}
        for stream in streams:
            keyed = open_store(store, spec=spec_of(stream, profile), stream=stream)
            self._readers[stream.role] = _Reader(keyed, manifest, role=stream.role, standardizer=standardizer)
            self._members[stream.role] = _neighbours(manifest, self._rows, reach=stream.neighbours)
        self.labels = _labels(manifest, self._rows)
        self._used = {role: np.unique(members[members >= 0]) for role, members in self._members.items()}
        needed = sum(self._readers[role].bytes_of(rows) for role, rows in self._used.items())
        self._resident_on = (resident_on or torch.device("cpu")) if needed <= resident_bytes else None

    def __len__(self) -> int:
        return len(self.utterance_ids)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Steps of the longest stream without neighbours; 1 where every stream is made of neighbours."""
        own = [self._readers[role].steps[self._rows] for role, reach in self._neighbours.items() if not reach]
        return np.max(own, axis=0) if own else np.ones(len(self), dtype=np.int64)

    @property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Role -> layers and width."""
        return {role: reader.shape for role, reader in self._readers.items()}

    def batch(self, indices: Sequence[int]) -> Batch:
        """The utterances at these positions, padded with zeros to the longest of each role."""
        features: dict[Role, Tensor] = {}
        present: dict[Role, Tensor] = {}
        for role, reader in self._readers.items():
            members = self._members[role][list(indices)]
            rows, offsets, mask = (_along_turns if self._neighbours[role] else _along_time)(reader, members)
            if self._resident_on is not None:
                features[role] = self._resident[role].gather(rows, offsets, mask)
            else:
                features[role] = torch.from_numpy(reader.gather(rows, mask))
            present[role] = torch.from_numpy(mask).to(features[role].device)
        return Batch(
            features=features,
            present=present,
            labels=None if self.labels is None else torch.from_numpy(self.labels[list(indices)]),
            utterance_ids=tuple(self.utterance_ids[index] for index in indices),
        )

    @cached_property
    def _resident(self) -> dict[Role, ResidentStream]:
        assert self._resident_on is not None
        return {
            role: ResidentStream(
                self._used[role],
                steps=reader.steps,
                entry_shape=reader.entry_shape,
                values=reader.values,
                device=self._resident_on,
            )
            for role, reader in self._readers.items()
        }

    def stored(self, role: Role) -> Iterator[np.ndarray]:
        """Each utterance's own features as they are stored, float16, not standardised; empty where it has none."""
        for row in self._rows:
            yield self._readers[role].stored(int(row))


class _Reader:
    """One stream of a manifest, by manifest row."""

    def __init__(self, keyed: KeyedStore, manifest: Manifest, *, role: Role, standardizer: Standardizer | None) -> None:
        index = keyed.read_index(manifest.hash)
        if not index["utterance_id"].equals(manifest.rows["utterance_id"]):
            raise FeatureError(
                f"the index of manifest {manifest.hash} in {keyed.folder} lists other utterances than the manifest; "
                "delete it and run `merflow features extract` again"
            )
        self.shape = keyed.shape
        self.steps = index["steps"].to_numpy(dtype=np.int64)
        self._role = role
        self._standardizer = standardizer
        self._shards: OpenShards = keyed.open_shards()
        self._names = index["shard"].tolist()
        self._offsets = index["offset"].to_numpy(dtype=np.int64)

    @property
    def entry_shape(self) -> tuple[int, ...]:
        """``(D,)`` or ``(L, D)``."""
        return (self.shape.width,) if self.shape.layers is None else (self.shape.layers, self.shape.width)

    def bytes_of(self, rows: np.ndarray) -> int:
        """Memory of these rows' standardised features."""
        return int(self.steps[rows].sum()) * int(np.prod(self.entry_shape)) * 4

    def stored(self, row: int) -> np.ndarray:
        """``(T, *entry_shape)`` float16; T = 0 where the utterance lacks the modality."""
        if not self.steps[row]:
            return np.zeros((0, *self.entry_shape), dtype=np.float16)
        return self._shards.entry(self._place(row))

    def values(self, row: int) -> np.ndarray:
        """``(T, *entry_shape)`` float32, standardised where the dataset has a standardizer."""
        stored = self.stored(row)
        return stored.astype(np.float32) if self._standardizer is None else self._standardizer.apply(self._role, stored)

    def gather(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """``(N, K, *entry_shape)`` float32 from the store, zeros where nothing is present.

        Args:
            rows: ``(N, 1)``, each row's steps in order; or ``(N, K)``, each row's first step.
            present: ``(N, K)`` bool.
        """
        for row in rows[present.any(axis=1)].ravel().tolist() if rows.shape[1] == 1 else rows[present].tolist():
            self._shards.expect(self._place(row))
        values = np.zeros((*present.shape, *self.entry_shape), dtype=np.float32)
        if rows.shape[1] == 1:
            for place, row in enumerate(rows[:, 0].tolist()):
                values[place, : self.steps[row]] = self.values(row)
        else:
            for utterance, turn in np.argwhere(present).tolist():
                values[utterance, turn] = self.values(int(rows[utterance, turn]))[0]
        return values

    def _place(self, row: int) -> Place:
        return Place(self._names[row], int(self._offsets[row]), int(self.steps[row]))


def _along_time(reader: _Reader, members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Utterances with their own steps: rows ``(N, 1)``, offsets ``(1, T)``, mask ``(N, T)``. T is at least 1."""
    rows = members[:, :1]
    steps = reader.steps[rows]
    offsets = np.arange(max(1, int(steps.max(initial=0))))[None]
    return rows, offsets, offsets < steps


def _along_turns(reader: _Reader, members: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Utterances as the middle of their neighbours, one step each: rows and mask ``(N, 2k + 1)``."""
    return members, np.zeros((1, 1), dtype=np.int64), (members >= 0) & (reader.steps[members] > 0)


def _rows_of(manifest: Manifest, utterance_ids: Sequence[str]) -> np.ndarray:
    rows = pd.Index(manifest.rows["utterance_id"]).get_indexer(pd.Index(utterance_ids))
    if len(rows) and rows.min() < 0:
        absent = utterance_ids[int(np.argmin(rows))]
        raise FeatureError(
            f"utterance {absent!r} is not in manifest {manifest.hash}; the splits are of another manifest"
        )
    return np.asarray(rows, dtype=np.int64)


def _neighbours(manifest: Manifest, rows: np.ndarray, *, reach: int) -> np.ndarray:
    """``(len, 2 reach + 1)`` rows of the turns around each row's turn in its dialogue, -1 where there is none."""
    turns = list(zip(manifest.rows["dialogue_id"], manifest.rows["turn_index"], strict=True))
    row_of = {turn: row for row, turn in enumerate(turns)}
    return np.array(
        [
            [row_of.get((turns[row][0], turns[row][1] + step), -1) for step in range(-reach, reach + 1)]
            for row in rows.tolist()
        ],
        dtype=np.int64,
    ).reshape(len(rows), 2 * reach + 1)


def _labels(manifest: Manifest, rows: np.ndarray) -> np.ndarray | None:
    emotions = manifest.rows["emotion"].iloc[rows]
    if emotions.isna().any():
        return None
    classes = taxonomy(manifest.taxonomy).classes
    unknown = sorted(set(emotions) - set(classes))
    if unknown:
        raise FeatureError(
            f"emotion {unknown[0]!r} in the manifest is not in taxonomy {manifest.taxonomy} ({', '.join(classes)}); "
            "index the corpus again"
        )
    return np.array([classes.index(emotion) for emotion in emotions], dtype=np.int64)

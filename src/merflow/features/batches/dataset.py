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
from merflow.contracts.presets import Profile, spec_of
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.task import Classification, Regression, Task
from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.batches.padding import Blanks, padded_rows, step_offsets
from merflow.features.batches.resident import DeviceRows, HostRows, on_device
from merflow.features.batches.standardize import Scale, Standardizer
from merflow.features.batches.stored_rows import StoredRows
from merflow.features.encoders.keys import feature_key
from merflow.features.store.keyed import open_store

_HOST = torch.device("cpu")


class FeatureDataset:
    """Some utterances of a manifest; a :class:`merflow.contracts.sources.BatchSource`.

    Attributes:
        utterance_ids: Ids in the order in which they were given.
        lengths: ``(len,)`` int64 steps of each utterance's longest stream, without neighbours.
        shapes: Role -> layers and width.
        labels: ``(len,)`` int64 class indices in the order of the taxonomy, or float32 scores; None if an utterance has
            no label.
    """

    def __init__(
        self,
        manifest: Manifest,
        utterance_ids: Sequence[str],
        *,
        streams: Sequence[Stream],
        profile: Profile,
        store: Path,
        task: Task | None = None,
        standardizer: Standardizer | None = None,
        resident_bytes: int = 0,
        resident_on: torch.device | None = None,
    ) -> None:
        """Open the store and read its indices. Features are read when batches are made.

        Args:
            manifest: The corpus.
            utterance_ids: The utterances of one part of a fold.
            streams: The streams that the model reads.
            profile: The encoders that made the features.
            store: Root of the store.
            task: Task of the labels; None for the emotions of the corpus's taxonomy.
            standardizer: Statistics to standardize by; None to leave features as they are.
            resident_bytes: Memory for features. If all of them fit in 16 bits per value, the first batch reads them
                into memory, and later batches read no file.
            resident_on: Device whose memory holds the features, and on which batches are then made; None for the host.

        Raises:
            FeatureError: An utterance is not in the manifest, or a stream was not extracted for it.
        """
        self.utterance_ids = tuple(utterance_ids)
        self._rows = rows_of(manifest, self.utterance_ids)
        self._streams: dict[Role, _OpenStream] = {}
        for stream in streams:
            keyed = open_store(store, feature_key(spec_of(stream, profile), stream))
            stored = StoredRows(keyed, manifest)
            self._streams[stream.role] = _OpenStream(
                stored,
                members=turns_around(manifest, self._rows, reach=stream.neighbours),
                scale=None if standardizer is None else standardizer.scale(stream.role, entry_shape=stored.entry_shape),
            )
        self.labels = _labels(manifest, self._rows, task or Classification(manifest.classes))
        self._device = resident_on or torch.device("cpu")
        self._resident = sum(stream.bytes for stream in self._streams.values()) <= resident_bytes

    def __len__(self) -> int:
        return len(self.utterance_ids)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Steps of the longest stream without neighbours; 1 if all streams have neighbours."""
        steps = [stream.stored.steps[self._rows] for stream in self._streams.values() if not stream.turns]
        return np.max(steps, axis=0) if steps else np.ones(len(self), dtype=np.int64)

    @property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Role -> layers and width."""
        return {role: stream.stored.shape for role, stream in self._streams.items()}

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the utterances with these indices, padded with zeros to the longest of each role."""
        if self._resident:
            self._read_all()
        chosen = list(indices)
        streams = {role: stream.batch(chosen) for role, stream in self._streams.items()}
        labels = None if self.labels is None else self.labels[chosen]
        return Batch(
            features={role: values for role, (values, _) in streams.items()},
            present={role: mask for role, (_, mask) in streams.items()},
            labels=None if labels is None else on_device(labels, self._device if self._resident else _HOST),
            utterance_ids=tuple(self.utterance_ids[index] for index in chosen),
        )

    def stored(self, role: Role) -> Iterator[np.ndarray]:
        """Yield each utterance's features as stored, float16, not standardized and without neighbours.

        The array has no steps if the utterance lacks the modality.
        """
        stored = self._streams[role].stored
        for row in self._rows.tolist():
            yield stored.entries([row])[0] if stored.steps[row] else np.zeros((0, *stored.entry_shape), np.float16)

    def fit_standardizer(self) -> Standardizer:
        """Compute the statistics of the utterances themselves, without their neighbours.

        Raises:
            FeatureError: No utterance has a step of some role.
        """
        return Standardizer.fit({role: self.stored(role) for role in self._streams})

    def _read_all(self) -> None:
        for stream in self._streams.values():
            stream.reside(self._device)


class _OpenStream:
    """One stream of a dataset. Its features come from the store, or from memory once they are resident.

    Attributes:
        turns: True if an utterance is its turn and the turns around it, one step each, instead of its own sequence.
    """

    def __init__(self, stored: StoredRows, *, members: np.ndarray, scale: Scale | None) -> None:
        self.stored = stored
        self.turns = members.shape[1] > 1
        self._members = members  # (len, 2k + 1) manifest rows, -1 for turns that do not exist
        self._used = np.unique(members[members >= 0])
        self._scale = scale
        self._host: StoredRows | HostRows = stored
        self._device: DeviceRows | None = None
        self._blanks = Blanks()

    @property
    def bytes(self) -> int:
        """Memory that all features of the stream need."""
        return self.stored.bytes_of(self._used)

    def reside(self, device: torch.device) -> None:
        """Read all features into the device's memory, unless they are there already."""
        if device.type != "cpu" and self._device is None:
            self._device = DeviceRows(self.stored, self._used, scale=self._scale, device=device)
        elif device.type == "cpu" and self._host is self.stored:
            self._host = HostRows(self.stored, self._used)

    def batch(self, chosen: list[int]) -> tuple[Tensor, Tensor]:
        """Return features ``(N, K, *entry_shape)`` float32 and their mask ``(N, K)``; K counts turns or steps."""
        rows = self._members[chosen]
        if self._device is not None:
            return self._device.gather(rows, offsets=step_offsets(rows, steps=self.stored.steps, turns=self.turns))
        return padded_rows(
            rows,
            turns=self.turns,
            steps=self.stored.steps,
            entries=self._host.entries,
            entry_shape=self.stored.entry_shape,
            scale=self._scale,
            blanks=self._blanks,
        )


def rows_of(manifest: Manifest, utterance_ids: Sequence[str]) -> np.ndarray:
    """Return the manifest rows of these utterances, ``(len,)`` int64.

    Raises:
        FeatureError: An utterance is not in the manifest.
    """
    rows = pd.Index(manifest.rows["utterance_id"]).get_indexer(pd.Index(utterance_ids))
    if len(rows) and rows.min() < 0:
        absent = utterance_ids[int(np.argmin(rows))]
        raise FeatureError(
            f"utterance {absent!r} is not in manifest {manifest.hash}: the splits were made from another manifest; "
            "split this one again"
        )
    return np.asarray(rows, dtype=np.int64)


def turns_around(manifest: Manifest, rows: np.ndarray, *, reach: int) -> np.ndarray:
    """Return the rows of the turns around each row's turn in its dialogue.

    Returns:
        ``(len, 2 reach + 1)`` int64, -1 for turns that do not exist.
    """
    turns = list(zip(manifest.rows["dialogue_id"], manifest.rows["turn_index"], strict=True))
    row_of = {turn: row for row, turn in enumerate(turns)}
    return np.array(
        [
            [row_of.get((turns[row][0], turns[row][1] + step), -1) for step in range(-reach, reach + 1)]
            for row in rows.tolist()
        ],
        dtype=np.int64,
    ).reshape(len(rows), 2 * reach + 1)


def _labels(manifest: Manifest, rows: np.ndarray, task: Task) -> np.ndarray | None:
    labels = manifest.rows[task.column].iloc[rows]
    if labels.isna().any():
        return None
    if isinstance(task, Regression):
        return np.asarray(labels, dtype=np.float32)
    classes = task.classes
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise FeatureError(
            f"emotion {unknown[0]!r} in the manifest is not in taxonomy {manifest.taxonomy.name} "
            f"({', '.join(classes)}); index the corpus again"
        )
    return np.array([classes.index(emotion) for emotion in labels], dtype=np.int64)

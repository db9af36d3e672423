"""Utterances of a manifest as batches of inputs for the encoders that are fine-tuned.

Roles with frozen encoders come from the feature store. The inputs of all other roles are read from the corpus by the
same readers and processors as in extraction; they are masked wherever extraction had nothing to store.

Shapes: N utterances, K turns, E entries.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from merflow.contracts.batch import RawBatch, RawStream
from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import MODALITY_OF, Role, Stream
from merflow.contracts.task import Task
from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.batches.dataset import FeatureDataset, rows_of, turns_around
from merflow.features.batches.standardize import Standardizer
from merflow.features.batches.units import raw_stream, units_of
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.processors import folder_of
from merflow.features.encoders.interface import Prepared
from merflow.features.encoders.keys import feature_key
from merflow.features.extraction.reading_tasks import Preparation, ShardInput
from merflow.features.extraction.survey import sources_of
from merflow.features.extraction.utterance_inputs import UtteranceInput
from merflow.features.store.keyed import open_store


class RawDataset:
    """Some utterances of a manifest, for encoders in the graph. Their features must have been extracted before.

    Attributes:
        utterance_ids: Ids in the order in which they were given.
        lengths: ``(len,)`` int64 steps of each utterance's longest stream, without neighbours.
        shapes: Role -> layers and width, for all roles.
        labels: ``(len,)`` int64 class indices in the order of the taxonomy, or float32 scores; None if an utterance has
            no label.
    """

    def __init__(
        self,
        manifest: Manifest,
        utterance_ids: Sequence[str],
        *,
        streams: Sequence[Stream],
        learning: Collection[Role],
        profile: Profile,
        store: Path,
        task: Task | None = None,
        standardizer: Standardizer | None,
        micro_batch: int | None = None,
        resident_bytes: int = 0,
        resident_on: torch.device | None = None,
    ) -> None:
        """Open the store and the encoders' processors. Recordings are read when batches are made.

        Args:
            manifest: The corpus.
            utterance_ids: The utterances of one part of a fold.
            streams: The streams that the model reads.
            learning: Roles whose encoders are fine-tuned.
            profile: The encoders that made the features; located (``features.encoders.huggingface.checkpoints``).
            store: Root of the store.
            task: Task of the labels; None for the emotions of the corpus's taxonomy.
            standardizer: Statistics of the training part, for the stored roles; None to leave features as they are.
            micro_batch: Number of recordings, texts, windows or pictures of the longest kind that an encoder processes
                at once, and more of shorter ones; None for a whole batch.
            resident_bytes: Memory for prepared inputs, which stay in memory until they fill it. Stored features stay in
                memory if all of them fit.
            resident_on: Device whose memory holds the stored features; None for the host.

        Raises:
            FeatureError: An utterance is not in the manifest, a stream was not extracted for it, or the folder of an
                encoder is missing.
        """
        self.utterance_ids = tuple(utterance_ids)
        all_roles = FeatureDataset(manifest, utterance_ids, streams=streams, profile=profile, store=store, task=task)
        self.lengths, self.shapes, self.labels = all_roles.lengths, all_roles.shapes, all_roles.labels
        self._stored = FeatureDataset(
            manifest,
            utterance_ids,
            streams=[stream for stream in streams if stream.role not in learning],
            profile=profile,
            store=store,
            task=task,
            standardizer=standardizer,
            resident_bytes=resident_bytes,
            resident_on=resident_on,
        )
        cache = _Cache(resident_bytes)
        rows = rows_of(manifest, self.utterance_ids)
        self._readers: dict[Role, _RawReader] = {}
        self._members: dict[Role, np.ndarray] = {}  # (len, K) manifest rows, -1 for turns that do not exist
        for stream in streams:
            if stream.role in learning:
                spec = spec_of(stream, profile)
                index = open_store(store, feature_key(spec, stream)).read_index(manifest.hash)
                self._readers[stream.role] = _RawReader(
                    manifest, index, stream=stream, spec=spec, micro_batch=micro_batch, cache=cache
                )
                self._members[stream.role] = turns_around(manifest, rows, reach=stream.neighbours)

    def __len__(self) -> int:
        return len(self.utterance_ids)

    def batch(self, indices: Sequence[int]) -> RawBatch:
        """Return the utterances with these indices.

        Raises:
            FeatureError: A recording or video cannot be read, or has changed since its features were extracted.
        """
        chosen = list(indices)
        return RawBatch(
            streams={role: reader.stream(self._members[role][chosen]) for role, reader in self._readers.items()},
            stored=self._stored.batch(chosen),
        )


class _Cache:
    """Prepared inputs by role and digest; it takes inputs until they fill its memory."""

    def __init__(self, capacity_bytes: int) -> None:
        self._left = capacity_bytes
        self._inputs: dict[tuple[Role, str], Prepared] = {}

    def get(self, role: Role, digest: str) -> Prepared | None:
        return self._inputs.get((role, digest))

    def put(self, role: Role, digest: str, prepared: Prepared) -> None:
        values = prepared.values
        size = sum(each.nbytes for each in (values.values() if isinstance(values, dict) else [values]))
        if size <= self._left:
            self._left -= size
            self._inputs[role, digest] = prepared


class _RawReader:
    """One stream of a manifest before its encoder runs, by manifest row."""

    def __init__(
        self,
        manifest: Manifest,
        index: pd.DataFrame,
        *,
        stream: Stream,
        spec: EncoderSpec,
        micro_batch: int | None,
        cache: _Cache,
    ) -> None:
        self._stream = stream
        self._encoder = spec.name
        self._config = config_of(folder_of(spec))
        self._prepare = Preparation(spec, stream)
        # Extraction has refused what corpus.resample does not allow; digests prove that inputs are unchanged.
        self._sources: Mapping[int, UtteranceInput] = sources_of(manifest, stream, resample=True)
        self._digests = index["digest"].tolist()
        self._has_steps = index["steps"].to_numpy(dtype=np.int64) > 0
        self._most = None if micro_batch is None else micro_batch * self._highest_cost(index)
        self._cache = cache
        self._fill = int(self._config.get("pad_token_id") or 0) if MODALITY_OF[stream.role] == "text" else 0

    def stream(self, members: np.ndarray) -> RawStream:
        """Return the stream of manifest rows ``(N, K)``, -1 for turns that do not exist."""
        present = (members >= 0) & self._has_steps[members]
        first_rows: dict[str, int] = {}
        for row in members[present].tolist():
            first_rows.setdefault(self._digests[row], row)
        entry_of = {digest: entry for entry, digest in enumerate(first_rows)}
        inputs = self._inputs(first_rows)
        entries = np.full(members.shape, len(entry_of), dtype=np.int64)  # (N, K)
        entries[present] = [entry_of[self._digests[row]] for row in members[present].tolist()]
        return raw_stream(
            [units_of(inputs[digest], encoder=self._encoder, config=self._config) for digest in entry_of],
            entries,
            pooled=self._stream.pooled,
            most=self._most,
            fill=self._fill,
        )

    def _highest_cost(self, index: pd.DataFrame) -> int:
        """Return the highest cost of a unit: the tokens of a text encoder, or the steps of the longest recording."""
        if MODALITY_OF[self._stream.role] == "text":
            return int(self._config.get("max_position_embeddings") or 512)
        return int(index["steps"].max()) if self._encoder in ("wavlm", "audio") else 1

    def _inputs(self, rows: Mapping[str, int]) -> dict[str, Prepared]:
        """Return the prepared input of each digest; it is read unless it is in the cache."""
        cached = {digest: self._cache.get(self._stream.role, digest) for digest in rows}
        inputs = {digest: prepared for digest, prepared in cached.items() if prepared is not None}
        for digest, prepared in self._read([row for digest, row in rows.items() if digest not in inputs]):
            self._cache.put(self._stream.role, digest, prepared)
            inputs[digest] = prepared
        return inputs

    def _read(self, rows: Sequence[int]) -> Iterable[tuple[str, Prepared]]:
        """Read inputs; each video is opened once for all its utterances."""
        tickets = [ShardInput("", self._digests[row], self._sources[row]) for row in rows]
        tickets.sort(key=lambda ticket: str(ticket.source.path))
        names = {ticket.digest: ticket.source.utterance_id for ticket in tickets}
        for _, unit in groupby(tickets, key=lambda ticket: ticket.source.path):
            for _, digest, prepared in self._prepare(list(unit)):
                if isinstance(prepared, str):
                    raise FeatureError(f"utterance {names[digest]}: {prepared}")
                yield digest, prepared

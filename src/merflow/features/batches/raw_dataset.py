"""Utterances of a manifest as batches whose learning encoders are still to run.

Roles whose encoders stay frozen come from the feature store. The others are read from the corpus by the same readers
and processors as in extraction, and masked where extraction had nothing to store.

Shapes: N utterances, K turns, E entries.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from merflow.contracts.batch import RawBatch, RawStream
from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import MODALITY_OF, Role, Stream
from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.batches.dataset import FeatureDataset, rows_of, turns_around
from merflow.features.batches.standardize import Standardizer
from merflow.features.batches.units import slices_of, units_of
from merflow.features.encoders.catalogue import spec_of
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.processors import folder_of
from merflow.features.encoders.prepared import Prepared
from merflow.features.extraction.inputs import sources_of
from merflow.features.extraction.sources import Preparation, Source, Ticket
from merflow.features.store.keyed import open_store


class RawDataset:
    """Some utterances of a manifest, for encoders in the graph; extraction has gone before.

    Attributes:
        utterance_ids: In the order in which they were asked for.
        lengths: ``(len,)`` int64 steps of each utterance's longest stream, neighbours left out.
        shapes: Role -> layers and width, of all roles.
        labels: ``(len,)`` int64 class indices in the taxonomy's order, or None where an utterance has no emotion.
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
        standardizer: Standardizer,
        micro_batch: int | None = None,
        resident_bytes: int = 0,
        resident_on: torch.device | None = None,
    ) -> None:
        """Opens the store and the encoders' processors; no recording is read yet.

        Args:
            manifest: The corpus.
            utterance_ids: Those of one part of a fold.
            streams: What the model asks for.
            learning: Roles whose encoders learn.
            profile: The encoders that made the features; located (``features.huggingface.checkpoints``).
            store: The store's root.
            standardizer: Statistics of the training part, for the stored roles.
            micro_batch: Recordings, texts, windows or pictures of the longest kind that an encoder takes at once, and
                more of shorter ones; None for a whole batch.
            resident_bytes: Prepared inputs are kept in memory until they fill so many bytes; stored features are
                where all of them fit.
            resident_on: Whose memory the stored features are kept in; the host's where None.

        Raises:
            FeatureError: An utterance is not in the manifest, a stream was not extracted for it, or an encoder's
                folder is not there.
        """
        self.utterance_ids = tuple(utterance_ids)
        every = FeatureDataset(manifest, utterance_ids, streams=streams, profile=profile, store=store)
        self.lengths, self.shapes, self.labels = every.lengths, every.shapes, every.labels
        self._stored = FeatureDataset(
            manifest,
            utterance_ids,
            streams=[stream for stream in streams if stream.role not in learning],
            profile=profile,
            store=store,
            standardizer=standardizer,
            resident_bytes=resident_bytes,
            resident_on=resident_on,
        )
        memory = _Memory(resident_bytes)
        rows = rows_of(manifest, self.utterance_ids)
        self._readers: dict[Role, _RawReader] = {}
        self._members: dict[Role, np.ndarray] = {}  # (len, K) manifest rows, -1 where there is no such turn
        for stream in streams:
            if stream.role in learning:
                spec = spec_of(stream, profile)
                index = open_store(store, spec=spec, stream=stream).read_index(manifest.hash)
                self._readers[stream.role] = _RawReader(
                    manifest, index, stream=stream, spec=spec, micro_batch=micro_batch, memory=memory
                )
                self._members[stream.role] = turns_around(manifest, rows, reach=stream.neighbours)

    def __len__(self) -> int:
        return len(self.utterance_ids)

    def batch(self, indices: Sequence[int]) -> RawBatch:
        """The utterances at these positions.

        Raises:
            FeatureError: A recording or video cannot be read, or changed since its features were extracted.
        """
        chosen = list(indices)
        return RawBatch(
            streams={role: reader.stream(self._members[role][chosen]) for role, reader in self._readers.items()},
            stored=self._stored.batch(chosen),
        )


class _Memory:
    """Prepared inputs by role and digest, kept until they fill so many bytes."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._kept: dict[tuple[Role, str], Prepared] = {}

    def find(self, role: Role, digest: str) -> Prepared | None:
        return self._kept.get((role, digest))

    def keep(self, role: Role, digest: str, prepared: Prepared) -> None:
        values = prepared.values
        size = sum(each.nbytes for each in (values.values() if isinstance(values, dict) else [values]))
        if size <= self._left:
            self._left -= size
            self._kept[role, digest] = prepared


class _RawReader:
    """One stream of a manifest before its encoder, by manifest row."""

    def __init__(
        self,
        manifest: Manifest,
        index: pd.DataFrame,
        *,
        stream: Stream,
        spec: EncoderSpec,
        micro_batch: int | None,
        memory: _Memory,
    ) -> None:
        self._stream = stream
        self._encoder = spec.name
        self._config = config_of(folder_of(spec))
        self._prepare = Preparation(spec, stream)
        # Extraction has read them as corpus.resample allows; the digests say that they are the same.
        self._sources: Mapping[int, Source] = sources_of(manifest, stream, resample=True)
        self._digests = index["digest"].tolist()
        self._has = index["steps"].to_numpy(dtype=np.int64) > 0
        self._most = None if micro_batch is None else micro_batch * self._dearest(index)
        self._memory = memory
        self._fill = int(self._config["pad_token_id"]) if MODALITY_OF[stream.role] == "text" else 0

    def stream(self, members: np.ndarray) -> RawStream:
        """Of manifest rows ``(N, K)``, -1 where there is none; K = 1 where the stream has no neighbours."""
        there = (members >= 0) & self._has[members]
        first_rows: dict[str, int] = {}
        for row in members[there].tolist():
            first_rows.setdefault(self._digests[row], row)
        entry_of = {digest: entry for entry, digest in enumerate(first_rows)}
        inputs = self._inputs(first_rows)
        slices, places = slices_of(
            [units_of(inputs[digest], encoder=self._encoder, config=self._config) for digest in entry_of] + [[]],
            most=self._most,
            fill=self._fill,
        )  # the last entry is the one without steps
        entries = torch.tensor(
            [
                [entry_of[self._digests[row]] if has else len(entry_of) for row, has in zip(turns, known, strict=True)]
                for turns, known in zip(members.tolist(), there.tolist(), strict=True)
            ]
        )  # (N, K)
        if self._stream.pooled:
            return RawStream(slices, positions=places[:-1], members=entries)
        return RawStream(slices, positions=places[entries[:, 0]], members=None)

    def _dearest(self, index: pd.DataFrame) -> int:
        """Cost of the dearest unit: the tokens that a text encoder takes, or the steps of the longest recording."""
        if MODALITY_OF[self._stream.role] == "text":
            return int(self._config["max_position_embeddings"])
        return int(index["steps"].max()) if self._encoder == "wavlm" else 1

    def _inputs(self, rows: Mapping[str, int]) -> dict[str, Prepared]:
        """Digest -> its input, prepared; read where it is not in memory."""
        found = {digest: self._memory.find(self._stream.role, digest) for digest in rows}
        missing = [row for digest, row in rows.items() if found[digest] is None]
        for digest, prepared in self._read(missing):
            self._memory.keep(self._stream.role, digest, prepared)
            found[digest] = prepared
        return {digest: prepared for digest, prepared in found.items() if prepared is not None}

    def _read(self, rows: Sequence[int]) -> Iterable[tuple[str, Prepared]]:
        """A video is opened once for all its utterances."""
        tickets = [Ticket("", self._digests[row], self._sources[row]) for row in rows]
        tickets.sort(key=lambda ticket: str(ticket.source.path))
        names = {ticket.digest: ticket.source.utterance_id for ticket in tickets}
        for _, unit in groupby(tickets, key=lambda ticket: ticket.source.path):
            for _, digest, prepared in self._prepare(list(unit)):
                if isinstance(prepared, str):
                    raise FeatureError(f"utterance {names[digest]}: {prepared}")
                yield digest, prepared

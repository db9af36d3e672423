"""Extraction: the recordings, texts and videos of a manifest, encoded for each stream, into the feature store.

Worker processes read and prepare inputs ahead of the encoder, which encodes inputs of similar length together, and a
thread writes. Each holds a bounded number of bytes, so memory does not grow with the corpus. Entries that the store
already holds are not computed again: a run that was killed resumes at the first missing shard, and any number of runs
share the work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.progress import Progress
from merflow.contracts.quarantine import QuarantinedInput
from merflow.contracts.streams import MODALITY_OF, Modality, Stream, StreamShape
from merflow.corpus.manifest import Manifest
from merflow.features.encoders.builders import batch_cost, build_encoder, build_preparer
from merflow.features.encoders.keys import feature_key
from merflow.features.encoders.precomputed import is_precomputed
from merflow.features.extraction.filling import Effort, StreamFilling
from merflow.features.extraction.precomputed_inputs import survey_precomputed
from merflow.features.extraction.reader_pool import ReaderPool, worker_count
from merflow.features.extraction.survey import InputKind, SurveyedInputs, refuse_absent, survey
from merflow.features.extraction.utterance_inputs import column_of
from merflow.features.store.keyed import create_store
from merflow.features.store.shards import EntryLocation


@dataclass(frozen=True)
class Pace:
    """Device, processes and batch sizes of an extraction; they affect its speed and nothing that is stored.

    Attributes:
        device: Device of the encoders: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
        workers: Processes that read ahead: 0 for none, ``auto`` for one per core if there is enough to read.
        batch_cost: Modality -> largest cost of a padded batch in an encoder's unit, less on a CPU where that is
            faster. A modality that is absent is encoded one input at a time.
    """

    device: str = "auto"
    workers: int | Literal["auto"] = 0
    batch_cost: Mapping[Modality, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredStream:
    """A stream of a manifest that is in the store.

    Attributes:
        spec: The encoder that made it.
        key: Name of its folder in the store.
        shape: Layers and width of its entries.
        entries: Number of utterances that have features; the others are masked.
        quarantined: Utterances whose input could not be read or encoded.
        effort: Work that this extraction did.
        alone: True if its encoder takes one input at a time, because padding would change its numbers.
    """

    stream: Stream
    spec: EncoderSpec
    key: str
    shape: StreamShape
    entries: int
    quarantined: tuple[QuarantinedInput, ...] = ()
    effort: Effort = field(default_factory=Effort)
    alone: bool = False


def extract_streams(
    manifest: Manifest,
    *,
    streams: Sequence[Stream],
    profile: Profile,
    store: Path,
    shard_utterances: int,
    pace: Pace | None = None,
    resample: bool = False,
    strict: bool = False,
    progress: Progress | None = None,
) -> tuple[StoredStream, ...]:
    """Make sure that the store holds these streams of every utterance, labelled or not.

    Args:
        manifest: The corpus.
        streams: The streams that models request; see ``streams()`` of a model's config.
        profile: Role -> encoder.
        store: The store's root, shared between corpora, processes and machines.
        shard_utterances: Entries per shard.
        pace: Device, processes and batches; by default one input at a time in this process.
        resample: True to convert recordings of other rates and channel counts, False to refuse them.
        strict: True to raise if an input cannot be read or encoded, False to quarantine it.
        progress: Called with the stage, the utterances done and their number.

    Raises:
        FeatureError: The corpus lacks a modality; no input can be read or encoded (or one cannot, if ``strict``); the
            profile lacks an encoder; or a shard of the store is corrupt.
        ParamsError: The profile's settings are wrong.
        OutputError: The store is read-only or the disk is full.
    """
    progress, pace = progress or _silent, pace or Pace()
    for stream in streams:
        spec = spec_of(stream, profile)
        build_preparer(spec, stream)  # a fault of the last stream shows before the first is read
        if not is_precomputed(spec):
            refuse_absent(manifest, stream)
    # Texts and precomputed features are read in this process.
    has_media = any(
        MODALITY_OF[stream.role] != "text" and not is_precomputed(spec_of(stream, profile)) for stream in streams
    )
    with ReaderPool(worker_count(pace.workers, inputs=len(manifest.rows) if has_media else 0)) as readers:
        inputs: dict[str, SurveyedInputs] = {}
        for source, reading in _by_source(streams, profile).items():
            spec = spec_of(reading[0], profile)
            inputs[source] = (
                survey_precomputed(manifest, reading, spec=spec)
                if is_precomputed(spec)
                else survey(manifest, reading, readers=readers, resample=resample, strict=strict, progress=progress)
            )
        return tuple(
            _stored(
                manifest,
                inputs[_source_of(stream, profile)],
                stream=stream,
                spec=spec_of(stream, profile),
                store=store,
                shard_utterances=shard_utterances,
                pace=pace,
                strict=strict,
                readers=readers,
                progress=progress,
            )
            for stream in streams
        )


def _by_source(streams: Sequence[Stream], profile: Profile) -> dict[str, list[Stream]]:
    """Return the streams that read each source."""
    result: dict[str, list[Stream]] = {}
    for stream in streams:
        result.setdefault(_source_of(stream, profile), []).append(stream)
    return result


def _source_of(stream: Stream, profile: Profile) -> str:
    """Return the name of a stream's source: a column of the manifest, or an array of the corpus's file."""
    spec = spec_of(stream, profile)
    return spec.label if is_precomputed(spec) else column_of(stream)


def _stored(
    manifest: Manifest,
    inputs: SurveyedInputs,
    *,
    stream: Stream,
    spec: EncoderSpec,
    store: Path,
    shard_utterances: int,
    pace: Pace,
    strict: bool,
    readers: ReaderPool,
    progress: Progress,
) -> StoredStream:
    encoder = build_encoder(spec, stream, device=pace.device)
    key = feature_key(spec, stream)
    keyed = create_store(store, key, shape=encoder.shape)
    filling = StreamFilling(
        keyed,
        inputs,
        spec=spec,
        stream=stream,
        shard_utterances=shard_utterances,
        batch_cost=batch_cost(spec, device=pace.device, most=_batch_cost(pace, inputs.kind)),
        strict=strict,
        progress=progress,
    )
    rows = _index_rows(manifest, inputs, filling.run(encoder, readers))
    keyed.write_index(manifest.hash, rows)
    return StoredStream(
        stream=stream,
        spec=spec,
        key=key.digest,
        shape=encoder.shape,
        entries=int(rows["shard"].notna().sum()),
        quarantined=_quarantined(manifest, inputs, filling.refused, role=stream.role),
        effort=filling.effort,
        alone=getattr(encoder, "alone", False),
    )


def _batch_cost(pace: Pace, kind: InputKind) -> int:
    return 1 if kind == "precomputed" else pace.batch_cost.get(kind, 1)


def _index_rows(manifest: Manifest, inputs: SurveyedInputs, locations: Mapping[str, EntryLocation]) -> pd.DataFrame:
    of_rows = [None if digest is None else locations.get(digest) for digest in inputs.digests]
    return pd.DataFrame(
        {
            "utterance_id": manifest.rows["utterance_id"],
            "digest": pd.array(inputs.digests, dtype="string"),
            "shard": pd.array([None if one is None else one.shard for one in of_rows], dtype="string"),
            "offset": [0 if one is None else one.offset for one in of_rows],
            "steps": [0 if one is None else one.steps for one in of_rows],
        }
    )


def _quarantined(
    manifest: Manifest, inputs: SurveyedInputs, refused: Mapping[str, str], *, role: str
) -> tuple[QuarantinedInput, ...]:
    """Return the utterances that have an input but no features, in the manifest's order."""
    quarantined = []
    for utterance, digest in zip(manifest.rows["utterance_id"], inputs.digests, strict=True):
        reason = inputs.unreadable.get(utterance) if digest is None else refused.get(digest)
        if reason is not None:
            quarantined.append(QuarantinedInput(utterance, role, reason))
    return tuple(quarantined)


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""

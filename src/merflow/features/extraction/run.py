"""Fills the store: recordings, texts and videos of a manifest through the encoders of the streams that models ask for.

Worker processes read and prepare ahead of the encoder, which takes inputs of similar length together; a thread writes.
Neither holds more than a fixed number of bytes, so memory does not grow with the corpus. What the store holds already
is not computed again, so a run that was killed resumes at the first missing shard, and any number of runs share the
work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from merflow.contracts.presets import Profile
from merflow.contracts.streams import MODALITY_OF, Modality, Stream, StreamShape
from merflow.corpus.manifest import Manifest
from merflow.features.encoders.catalogue import batch_cost, build_encoder, build_preparer, encoder_key, spec_of
from merflow.features.extraction.filling import Effort, Filling
from merflow.features.extraction.inputs import Inputs, Tell, refuse_absent, survey
from merflow.features.extraction.quarantine import SetAside
from merflow.features.extraction.readers import Readers, worker_count
from merflow.features.extraction.sources import column_of
from merflow.features.store.keyed import create_store
from merflow.features.store.shards import Place


@dataclass(frozen=True)
class Pace:
    """How fast, and on what; nothing here decides what is stored.

    Attributes:
        device: Of the encoders: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
        workers: Processes that read ahead, 0 for none, ``auto`` for one a core where there is enough to read.
        batch_cost: Modality -> what a padded batch may cost at most in an encoder's unit, less on a CPU where that is
            faster; one input at a time where absent.
    """

    device: str = "auto"
    workers: int | Literal["auto"] = 0
    batch_cost: Mapping[Modality, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredStream:
    """A stream of a manifest that is in the store.

    Attributes:
        key: Folder in the store.
        shape: Layers and width.
        entries: Utterances that have features; the others are masked.
        set_aside: Utterances that have an input which could not be read or encoded.
        effort: What it took.
    """

    stream: Stream
    key: str
    shape: StreamShape
    entries: int
    set_aside: tuple[SetAside, ...] = ()
    effort: Effort = field(default_factory=Effort)


def extract(
    manifest: Manifest,
    *,
    streams: Sequence[Stream],
    profile: Profile,
    store: Path,
    shard_utterances: int,
    pace: Pace | None = None,
    resample: bool = False,
    strict: bool = False,
    progress: Tell | None = None,
) -> tuple[StoredStream, ...]:
    """Makes sure that the store holds these streams of every utterance, labelled or not.

    Args:
        manifest: The corpus.
        streams: What models ask for; see a model config's ``streams()``.
        profile: Role -> encoder.
        store: The store's root, shared between corpora, processes and machines.
        shard_utterances: Entries a shard.
        pace: Device, processes and batches; plain and in this process where None.
        resample: Recordings of other rates and channel counts are converted, instead of being refused.
        strict: An input that cannot be read or encoded is an error, instead of being set aside.
        progress: Called with the stage, the utterances done and their number.

    Raises:
        FeatureError: The corpus lacks a modality, or none of its inputs can be read or encoded (or one, where it is
            strict); the profile lacks an encoder; a shard of the store is corrupt.
        ParamsError: The profile's settings are wrong.
        OutputError: The store is read-only, the disk full.
    """
    tell, pace = progress or _silent, pace or Pace()
    for stream in streams:
        build_preparer(spec_of(stream, profile), stream)  # what is wrong with the last stream is said before the first
        refuse_absent(manifest, stream)
    media = any(MODALITY_OF[stream.role] != "text" for stream in streams)  # texts are read in this process
    with Readers(worker_count(pace.workers, inputs=len(manifest.rows) if media else 0)) as readers:
        inputs = {
            column: survey(
                manifest,
                [stream for stream in streams if column_of(stream) == column],
                readers=readers,
                resample=resample,
                strict=strict,
                tell=tell,
            )
            for column in dict.fromkeys(column_of(stream) for stream in streams)
        }
        return tuple(
            _stored(
                manifest,
                inputs[column_of(stream)],
                stream=stream,
                profile=profile,
                store=store,
                shard_utterances=shard_utterances,
                pace=pace,
                strict=strict,
                readers=readers,
                tell=tell,
            )
            for stream in streams
        )


def _stored(
    manifest: Manifest,
    inputs: Inputs,
    *,
    stream: Stream,
    profile: Profile,
    store: Path,
    shard_utterances: int,
    pace: Pace,
    strict: bool,
    readers: Readers,
    tell: Tell,
) -> StoredStream:
    spec = spec_of(stream, profile)
    encoder = build_encoder(spec, stream, device=pace.device)
    keyed = create_store(store, spec=spec, stream=stream, shape=encoder.shape)
    filling = Filling(
        keyed,
        inputs,
        spec=spec,
        stream=stream,
        shard_utterances=shard_utterances,
        batch_cost=batch_cost(spec, device=pace.device, most=pace.batch_cost.get(inputs.modality, 1)),
        strict=strict,
        tell=tell,
    )
    rows = _index_rows(manifest, inputs, filling.run(encoder, readers))
    keyed.write_index(manifest.hash, rows)
    return StoredStream(
        stream=stream,
        key=encoder_key(spec, stream),
        shape=encoder.shape,
        entries=int(rows["shard"].notna().sum()),
        set_aside=_set_aside(manifest, inputs, filling.refused, role=stream.role),
        effort=filling.effort,
    )


def _index_rows(manifest: Manifest, inputs: Inputs, places: Mapping[str, Place]) -> pd.DataFrame:
    found = [None if digest is None else places.get(digest) for digest in inputs.digests]
    return pd.DataFrame(
        {
            "utterance_id": manifest.rows["utterance_id"],
            "digest": pd.array(inputs.digests, dtype="string"),
            "shard": pd.array([None if place is None else place.shard for place in found], dtype="string"),
            "offset": [0 if place is None else place.offset for place in found],
            "steps": [0 if place is None else place.steps for place in found],
        }
    )


def _set_aside(manifest: Manifest, inputs: Inputs, refused: Mapping[str, str], *, role: str) -> tuple[SetAside, ...]:
    """Utterances without features although they have an input, in the manifest's order."""
    found = []
    for utterance, digest in zip(manifest.rows["utterance_id"], inputs.digests, strict=True):
        reason = inputs.unread.get(utterance) if digest is None else refused.get(digest)
        if reason is not None:
            found.append(SetAside(utterance, role, reason))
    return tuple(found)


def _silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""

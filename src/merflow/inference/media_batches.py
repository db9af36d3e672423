"""Recordings, video and text as the batch that a trained model reads; needs neither a manifest nor a feature store.

The steps are the same as in extraction and training, and use the same code: read, cut, prepare, encode, round to the
store's precision, standardize with the model's own statistics, pad. Inputs of fine-tuned encoders are only prepared;
the model's graph encodes them.

Shapes: N clips, K turns.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from merflow.contracts.batch import Batch, RawBatch, RawStream
from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import MODALITY_OF, Modality, Role, Stream
from merflow.errors import CorpusError, FeatureError
from merflow.features.batches.padding import Blanks, padded_rows
from merflow.features.batches.standardize import Scale, Standardizer
from merflow.features.batches.units import Unit, raw_stream, units_of
from merflow.features.encoders.builders import batch_cost, build_encoder, build_preparer
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.processors import folder_of
from merflow.features.encoders.interface import Encoder, Prepared, Preparer
from merflow.features.encoders.precomputed import is_precomputed
from merflow.features.extraction.encoder_batches import budgeted_batches
from merflow.features.extraction.shard_writer import storable
from merflow.features.store.shards import entry_shape
from merflow.inference.media_clips import Clip
from merflow.inference.media_inputs import inputs_of
from merflow.inference.shared_encoders import SharedEncoders


class RefusedInput(NamedTuple):
    """An input that cannot be read or encoded, so that its modality is masked.

    Attributes:
        clip_id: Name of ``turn``.
        role: Role of the stream.
        reason: The reason.
        turn: The first clip, or turn around a clip, that has this input.
    """

    clip_id: str
    role: Role
    reason: str
    turn: Clip

    @property
    def source(self) -> Hashable:
        """Key of the input; see :func:`source_of`."""
        return source_of(self.turn, MODALITY_OF[self.role])


class MediaEncoders:
    """The encoders of a trained model, loaded once for any number of batches.

    Args:
        streams: The streams that the model reads.
        profile: The encoders that it was trained with; located (``features.encoders.huggingface.checkpoints``).
        standardizer: The statistics that it was trained with; None if it reads unstandardized features.
        learning: Roles with fine-tuned encoders. They run in the model's graph, and batches are raw.
        device: Device of the other encoders: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
        cost: Modality -> highest cost of an encoder's padded batch. By default an encoder takes one input at a time, so
            that a clip's features do not depend on the other clips in the batch, even in the last bits.
        micro_batch: Number of recordings, texts, windows or pictures of the longest kind that an encoder in the graph
            processes at once; None for a whole batch.
        shared: Encoders shared with other models; None for this model alone.

    Raises:
        FeatureError: An encoder is missing from the profile or cannot be loaded, or the statistics do not fit it; or
            the model reads features that came with a corpus.
        ParamsError: The settings of an encoder are wrong.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        profile: Profile,
        standardizer: Standardizer | None,
        learning: Collection[Role] = (),
        device: str = "auto",
        cost: Mapping[Modality, int] | None = None,
        micro_batch: int | None = None,
        shared: SharedEncoders | None = None,
    ) -> None:
        self._encoded: list[_EncodedStream] = []
        self._raw: list[_RawStream] = []
        for stream in streams:
            spec = spec_of(stream, profile)
            if is_precomputed(spec):
                raise FeatureError(
                    f"role {stream.role!r} reads features that came with its corpus ({spec.citation}); nothing can "
                    "compute them from recordings, so train on encoders that merflow runs (features.profile=lite)"
                )
            if stream.role in learning:
                self._raw.append(_RawStream(stream, spec, micro_batch=micro_batch))
            else:
                most = batch_cost(spec, device=device, most=(cost or {}).get(MODALITY_OF[stream.role], 1))
                self._encoded.append(
                    _EncodedStream(stream, spec, standardizer, device=device, most=most, shared=shared)
                )
        self._streams = tuple(streams)

    @property
    def reach(self) -> int:
        """Number of turns before and after a clip that the model reads."""
        return max(stream.neighbours for stream in self._streams)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that the model reads."""
        return self._streams

    @property
    def specs(self) -> dict[Role, EncoderSpec]:
        """Role -> its encoder, located on this machine."""
        return {each.role: each.spec for each in (*self._encoded, *self._raw)}

    @property
    def scales(self) -> dict[Role, Scale]:
        """Role -> the scale of its features, for frozen encoders of a model that standardizes."""
        return {each.role: each.scale for each in self._encoded if each.scale is not None}

    def batch(
        self, clips: Sequence[Clip], *, refused: Callable[[RefusedInput], None] | None = None
    ) -> Batch | RawBatch:
        """Return the clips as one batch without labels, on the CPU, padded to the longest of each role.

        If a clip lacks a modality, its mask is False.

        Args:
            clips: One or more clips.
            refused: Called with each input that cannot be read or encoded, which is then masked as in extraction. If
                None, such an input is an error.

        Raises:
            FeatureError: There is no clip, a clip has no input that the model reads, or an input cannot be read or
                encoded and ``refused`` is None.
        """
        self._check(clips)
        return self._batch(clips, self._encoded, self._raw, refused or _raise)

    def part(
        self, clips: Sequence[Clip], modality: Modality, *, refused: Callable[[RefusedInput], None] | None = None
    ) -> Batch | RawBatch:
        """Return only the roles of one modality, for insertion into a batch of the same clips; see :meth:`batch`.

        Clips may lack the modality.
        """
        encoded = [stream for stream in self._encoded if MODALITY_OF[stream.role] == modality]
        raw = [stream for stream in self._raw if MODALITY_OF[stream.role] == modality]
        return self._batch(clips, encoded, raw, refused or _raise)

    def _batch(
        self,
        clips: Sequence[Clip],
        encoded: Sequence["_EncodedStream"],
        raw: Sequence["_RawStream"],
        refused: Callable[[RefusedInput], None],
    ) -> Batch | RawBatch:
        stored = {stream.role: stream.features(clips, refused) for stream in encoded}
        batch = Batch(
            features={role: values for role, (values, _) in stored.items()},
            present={role: mask for role, (_, mask) in stored.items()},
            labels=None,
            utterance_ids=tuple(clip.clip_id for clip in clips),
        )
        return RawBatch({stream.role: stream.inputs(clips, refused) for stream in raw}, batch) if raw else batch

    def _check(self, clips: Sequence[Clip]) -> None:
        if not clips:
            raise FeatureError("no clips to make a batch of; pass at least one")
        modalities = sorted({MODALITY_OF[stream.role] for stream in self._streams})
        for clip in clips:
            if not any(clip.has(modality) for modality in modalities):
                raise FeatureError(f"clip {clip.clip_id!r} has no {' or '.join(modalities)}, which the model reads")


class _Stream:
    """One stream of a model, with the half of its encoder that prepares inputs."""

    def __init__(self, stream: Stream, preparer: Preparer, *, spec: EncoderSpec) -> None:
        self.role = stream.role
        self.spec = spec
        self._stream = stream
        self._preparer = preparer

    def _turns(self, clips: Sequence[Clip]) -> tuple[list[Clip], np.ndarray]:
        """Return the turns with distinct inputs, and ``(N, K)`` int64 of each clip's turns, -1 if there is none."""
        grid = [_around(clip, self._stream.neighbours) for clip in clips]
        distinct: dict[Hashable, Clip] = {}
        for turn in (turn for row in grid for turn in row if turn is not None):
            distinct.setdefault(self._key(turn), turn)
        index = {key: number for number, key in enumerate(distinct)}
        members = [[-1 if turn is None else index[self._key(turn)] for turn in row] for row in grid]
        return list(distinct.values()), np.array(members, dtype=np.int64)

    def _key(self, turn: Clip) -> Hashable:
        return source_of(turn, MODALITY_OF[self.role])

    def _prepared(self, turns: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> list[Prepared | None]:
        """Return each turn's input, prepared for the encoder; None if it is missing or refused."""
        prepared: list[Prepared | None] = [None] * len(turns)
        for index, source in inputs_of(turns, self._stream):
            try:
                if isinstance(source, CorpusError | FeatureError):
                    raise source
                prepared[index] = self._preparer.prepare(source)
            except (CorpusError, FeatureError) as error:
                refused(_refusal(turns[index], self.role, error))
        return prepared


class _EncodedStream(_Stream):
    """A stream whose encoder is frozen and runs here."""

    def __init__(
        self,
        stream: Stream,
        spec: EncoderSpec,
        standardizer: Standardizer | None,
        *,
        device: str,
        most: int,
        shared: SharedEncoders | None,
    ) -> None:
        self._shared = shared
        self._encoder: Encoder = (
            build_encoder(spec, stream, device=device)
            if shared is None
            else shared.encoder(spec, stream, device=device)
        )
        super().__init__(stream, self._encoder, spec=spec)
        self._entry_shape = entry_shape(self._encoder.shape)
        self.scale: Scale | None = (
            None if standardizer is None else standardizer.scale(stream.role, entry_shape=self._entry_shape)
        )
        self._most = most

    def features(self, clips: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> tuple[Tensor, Tensor]:
        """Return standardized features ``(N, K, *entry_shape)`` float32 and their mask ``(N, K)``."""
        turns, members = self._turns(clips)
        entries = None if self._shared is None else self._shared.known(self.spec, self._stream, turns)
        if entries is None:
            entries = self._entries(turns, refused)
            if self._shared is not None:
                self._shared.keep(self.spec, self._stream, turns, entries)
        return padded_rows(
            members,
            turns=members.shape[1] > 1,
            steps=np.array([len(entry) for entry in entries], dtype=np.int64),
            entries=lambda rows: [entries[row] for row in rows],
            entry_shape=self._entry_shape,
            scale=self.scale,
            blanks=Blanks(),
        )

    def _entries(self, turns: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> list[np.ndarray]:
        """Return each turn's ``(T, *entry_shape)`` as in the store; without steps if it is missing."""
        entries = [np.zeros((0, *self._entry_shape), dtype=np.float16)] * len(turns)
        inputs = [
            (index, prepared) for index, prepared in enumerate(self._prepared(turns, refused)) if prepared is not None
        ]
        for batch in budgeted_batches([prepared.cost for _, prepared in inputs], budget=self._most):
            for index, array in self._encode([inputs[number] for number in batch], turns, refused):
                try:
                    entries[index] = storable(array, pooled=self._stream.pooled)
                except FeatureError as error:
                    refused(_refusal(turns[index], self.role, error))
        return entries

    def _encode(
        self,
        inputs: Sequence[tuple[int, Prepared]],
        turns: Sequence[Clip],
        refused: Callable[[RefusedInput], None],
    ) -> Iterable[tuple[int, np.ndarray]]:
        """Encode a batch; if the encoder refuses it, encode its inputs one by one."""
        try:
            arrays = self._encoder.encode([prepared for _, prepared in inputs])
        except FeatureError as error:
            if len(inputs) == 1:
                refused(_refusal(turns[inputs[0][0]], self.role, error))
                return
            for each in inputs:
                yield from self._encode([each], turns, refused)
            return
        yield from zip((index for index, _ in inputs), arrays, strict=True)


class _RawStream(_Stream):
    """A stream whose encoder was fine-tuned with the model and runs in its graph."""

    def __init__(self, stream: Stream, spec: EncoderSpec, *, micro_batch: int | None) -> None:
        super().__init__(stream, build_preparer(spec, stream), spec=spec)
        self._name = spec.name
        self._config = config_of(folder_of(spec))
        self._micro_batch = micro_batch
        self._fill = int(self._config.get("pad_token_id") or 0) if MODALITY_OF[stream.role] == "text" else 0

    def inputs(self, clips: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> RawStream:
        """Return the stream before its encoder runs."""
        turns, members = self._turns(clips)
        units = [
            [] if prepared is None else units_of(prepared, encoder=self._name, config=self._config)
            for prepared in self._prepared(turns, refused)
        ]
        with_steps = [index for index, each in enumerate(units) if sum(unit.steps for unit in each)]
        entry_of = np.full(len(turns) + 1, len(with_steps), dtype=np.int64)  # the last is for missing turns
        entry_of[with_steps] = np.arange(len(with_steps))
        entries = [units[index] for index in with_steps]
        return raw_stream(
            entries, entry_of[members], pooled=self._stream.pooled, most=self._most(entries), fill=self._fill
        )

    def _most(self, entries: Sequence[Sequence[Unit]]) -> int | None:
        if self._micro_batch is None:
            return None
        return self._micro_batch * max((unit.cost for entry in entries for unit in entry), default=1)


def source_of(clip: Clip, modality: Modality) -> Hashable:
    """Return a key that is equal for clips with the same input; a video may get its duration from the recording."""
    return {"audio": clip.audio, "video": (clip.video, clip.audio), "text": clip.text}[modality]


def _refusal(turn: Clip, role: Role, error: Exception) -> RefusedInput:
    return RefusedInput(turn.clip_id, role, str(error), turn)


def _around(clip: Clip, reach: int) -> list[Clip | None]:
    """Return the clip with the turns around it, ``2 reach + 1`` in all; None for turns that do not exist."""
    if not reach:
        return [clip]
    before, after = clip.before[-reach:], clip.after[:reach]
    return [*[None] * (reach - len(before)), *before, clip, *after, *[None] * (reach - len(after))]


def _raise(refused: RefusedInput) -> None:
    raise FeatureError(f"clip {refused.clip_id!r}, role {refused.role!r}: {refused.reason}")

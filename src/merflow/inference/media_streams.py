"""One stream of a trained model, from recordings, video or text to its part of a batch.

A stream with a frozen encoder becomes features; a stream with a fine-tuned encoder becomes the inputs of that encoder,
which runs in the model's graph. Equal inputs of a batch are prepared and encoded once.

Shapes: N clips, K turns.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from merflow.contracts.batch import RawStream
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import MODALITY_OF, Modality, Role, Stream
from merflow.errors import CorpusError, FeatureError
from merflow.features.batches.padding import Blanks, padded_rows
from merflow.features.batches.standardize import Scale, Standardizer
from merflow.features.batches.units import Unit, raw_stream, units_of
from merflow.features.encoders.builders import build_encoder, build_preparer
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.processors import folder_of
from merflow.features.encoders.interface import Encoder, Prepared, Preparer
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


class FrozenStream(_Stream):
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


class FineTunedStream(_Stream):
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

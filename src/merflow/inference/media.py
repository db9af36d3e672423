"""Recordings, video and text as the batch that a trained model reads; needs neither a manifest nor a feature store.

The steps are those of extraction and training, with the same code: read, cut, prepare, encode, round to the store's
precision, standardize with the model's own statistics, pad. Inputs of encoders that learned with the model are prepared
only; the model's graph encodes them.

Shapes: N clips, K turns, F frames.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from merflow.contracts.batch import Batch, RawBatch, RawStream
from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import MODALITY_OF, Modality, Role, Stream, StreamShape
from merflow.corpus.samples import RATE_HZ, read_samples, to_16_khz_mono
from merflow.errors import CorpusError, FeatureError
from merflow.features.batches.padding import Blanks, padded_rows
from merflow.features.batches.standardize import Scale, Standardizer
from merflow.features.batches.units import Unit, raw_stream, units_of
from merflow.features.encoders.builders import batch_cost, build_encoder, build_preparer
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.processors import folder_of
from merflow.features.encoders.interface import Encoder, Prepared, Preparer
from merflow.features.extraction.encoder_batches import budgeted_batches
from merflow.features.extraction.shard_writer import storable
from merflow.features.media.clips import cut
from merflow.features.media.dialogue_video import Side, VideoSpan, frame_indices, read_dialogue
from merflow.features.media.film import Film
from merflow.features.media.frames import Damage
from merflow.features.store.shards import entry_shape

_MAX_FRAMES = 180  # as in extraction


@dataclass(frozen=True, eq=False)
class Samples:
    """Sound in memory.

    Attributes:
        values: ``(n,)`` or ``(n, channels)`` floats, full scale at 1.
        rate_hz: Sample rate. Sound at any other rate than 16 kHz mono is converted.
    """

    values: np.ndarray
    rate_hz: int = RATE_HZ


@dataclass(frozen=True)
class VideoFile:
    """Part of a video file.

    Attributes:
        path: The file.
        start_s: Start of the clip in the file.
        end_s: End of the clip in the file; None if the video is as long as the clip's recording, or if the clip is the
            rest of the file.
        side: Half of the frame that shows the speaker; None for the whole frame.
    """

    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    side: Side | None = None


@dataclass(frozen=True, eq=False)
class Frames:
    """Video in memory.

    Attributes:
        values: ``(F, H, W, 3)`` uint8 RGB.
        rate_hz: Frames per second.
    """

    values: np.ndarray
    rate_hz: float


@dataclass(frozen=True, eq=False)
class Clip:
    """One utterance: a recording, a video and words, each of which may be missing, and the turns around it.

    Attributes:
        clip_id: Name of the clip, for results and error messages.
        audio: A sound file of any rate, or samples; None if there is no recording.
        video: A video file, or frames; None if there is no video.
        text: The words; None or blank if they are unknown.
        before: Turns of the dialogue before this one, oldest first; None for a turn of which nothing is known.
        after: Turns of the dialogue after this one.
    """

    clip_id: str
    audio: Path | Samples | None = None
    video: VideoFile | Frames | None = None
    text: str | None = None
    before: tuple["Clip | None", ...] = ()
    after: tuple["Clip | None", ...] = ()

    def has(self, modality: Modality) -> bool:
        """Return True if the clip has an input of this modality."""
        if modality == "text":
            return bool(self.text and self.text.strip())
        return (self.audio if modality == "audio" else self.video) is not None


class RefusedInput(NamedTuple):
    """An input that cannot be read or encoded, so that its modality is masked."""

    clip_id: str
    role: Role
    reason: str


def dialogue(turns: Sequence[Clip], *, reach: int) -> list[Clip]:
    """Return the turns of one dialogue, each with up to ``reach`` turns before and after it.

    Args:
        turns: All turns in order.
        reach: Number of turns on either side; :attr:`MediaEncoders.reach` says how many a model reads.
    """
    return [
        replace(turn, before=tuple(turns[max(0, index - reach) : index]), after=tuple(turns[index + 1 :][:reach]))
        for index, turn in enumerate(turns)
    ]


class MediaEncoders:
    """The encoders of a trained model, loaded once for any number of batches.

    Args:
        streams: The streams that the model reads.
        profile: The encoders that it was trained with; located (``features.encoders.huggingface.checkpoints``).
        standardizer: The statistics that it was trained with.
        learning: Roles whose encoders learned with the model. They run in the model's graph, and batches are raw.
        device: Device of the other encoders: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
        cost: Modality -> highest cost of an encoder's padded batch. By default an encoder takes one input at a time, so
            that a clip's features do not depend on the other clips in the batch, not even in the last bits.
        micro_batch: Number of recordings, texts, windows or pictures of the longest kind that an encoder in the graph
            processes at once; None for a whole batch.

    Raises:
        FeatureError: An encoder is missing from the profile or cannot be loaded, or the statistics do not fit it.
        ParamsError: The settings of an encoder are wrong.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        profile: Profile,
        standardizer: Standardizer,
        learning: Collection[Role] = (),
        device: str = "auto",
        cost: Mapping[Modality, int] | None = None,
        micro_batch: int | None = None,
    ) -> None:
        self._encoded: list[_EncodedStream] = []
        self._raw: list[_RawStream] = []
        for stream in streams:
            spec = spec_of(stream, profile)
            if stream.role in learning:
                self._raw.append(_RawStream(stream, spec, micro_batch=micro_batch))
            else:
                most = batch_cost(spec, device=device, most=(cost or {}).get(MODALITY_OF[stream.role], 1))
                self._encoded.append(_EncodedStream(stream, spec, standardizer, device=device, most=most))
        self._streams = tuple(streams)

    @property
    def reach(self) -> int:
        """Number of turns before and after a clip that the model reads."""
        return max(stream.neighbours for stream in self._streams)

    def batch(
        self, clips: Sequence[Clip], *, refused: Callable[[RefusedInput], None] | None = None
    ) -> Batch | RawBatch:
        """Return the clips as one batch without labels, on the CPU, padded to the longest of each role.

        A modality that a clip lacks is a mask of False.

        Args:
            clips: One or more clips.
            refused: Called with each input that cannot be read or encoded, which is then masked as in extraction. If
                None, such an input is an error.

        Raises:
            FeatureError: There is no clip, a clip has no input that the model reads, or an input cannot be read or
                encoded and ``refused`` is None.
        """
        self._check(clips)
        stored = {stream.role: stream.features(clips, refused or _raise) for stream in self._encoded}
        batch = Batch(
            features={role: values for role, (values, _) in stored.items()},
            present={role: mask for role, (_, mask) in stored.items()},
            labels=None,
            utterance_ids=tuple(clip.clip_id for clip in clips),
        )
        if not self._raw:
            return batch
        return RawBatch({stream.role: stream.inputs(clips, refused or _raise) for stream in self._raw}, batch)

    def _check(self, clips: Sequence[Clip]) -> None:
        if not clips:
            raise FeatureError("no clips to make a batch of; pass at least one")
        modalities = sorted({MODALITY_OF[stream.role] for stream in self._streams})
        for clip in clips:
            if not any(clip.has(modality) for modality in modalities):
                raise FeatureError(f"clip {clip.clip_id!r} has no {' or '.join(modalities)}, which the model reads")


class _Stream:
    """One stream of a model, with the half of its encoder that prepares inputs."""

    def __init__(self, stream: Stream, preparer: Preparer) -> None:
        self.role = stream.role
        self._stream = stream
        self._preparer = preparer

    def _turns(self, clips: Sequence[Clip]) -> tuple[list[Clip], np.ndarray]:
        """Return the distinct turns of the clips, and ``(N, K)`` int64 of each clip's turns, -1 if there is none."""
        grid = [_around(clip, self._stream.neighbours) for clip in clips]
        distinct = list(dict.fromkeys(turn for row in grid for turn in row if turn is not None))
        index = {turn: number for number, turn in enumerate(distinct)}
        return distinct, np.array([[-1 if turn is None else index[turn] for turn in row] for row in grid], np.int64)

    def _prepared(self, turns: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> list[Prepared | None]:
        """Return each turn's input, prepared for the encoder; None if it is missing or refused."""
        prepared: list[Prepared | None] = [None] * len(turns)
        for index, source in self._read(turns):
            try:
                if isinstance(source, CorpusError | FeatureError):
                    raise source
                prepared[index] = self._preparer.prepare(source)
            except (CorpusError, FeatureError) as error:
                refused(RefusedInput(turns[index].clip_id, self.role, str(error)))
        return prepared

    def _read(self, turns: Sequence[Clip]) -> Iterable[tuple[int, np.ndarray | str | CorpusError | FeatureError]]:
        """Yield the index of each turn that has an input, with the input cut for the stream, or the reason why not."""
        modality = MODALITY_OF[self.role]
        with_input = [index for index, turn in enumerate(turns) if turn.has(modality)]
        if modality == "video":
            yield from _videos([(index, turns[index]) for index in with_input], clip_s=self._stream.clip_s)
            return
        for index in with_input:
            turn = turns[index]
            if modality == "text":
                assert turn.text is not None
                yield index, turn.text.strip()
                continue
            try:
                samples = _samples(turn)
            except CorpusError as error:
                yield index, error
                continue
            yield index, cut(samples, clip_s=self._stream.clip_s, skip_silence=self._stream.skip_silence)


class _EncodedStream(_Stream):
    """A stream whose encoder runs here and did not learn with the model."""

    def __init__(
        self, stream: Stream, spec: EncoderSpec, standardizer: Standardizer, *, device: str, most: int
    ) -> None:
        self._encoder: Encoder = build_encoder(spec, stream, device=device)
        super().__init__(stream, self._encoder)
        self._entry_shape = entry_shape(self._encoder.shape)
        self._scale: Scale = standardizer.scale(stream.role, entry_shape=self._entry_shape)
        self._most = most

    @property
    def shape(self) -> StreamShape:
        return self._encoder.shape

    def features(self, clips: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> tuple[Tensor, Tensor]:
        """Return standardized features ``(N, K, *entry_shape)`` float32 and their mask ``(N, K)``."""
        turns, members = self._turns(clips)
        entries = self._entries(turns, refused)
        return padded_rows(
            members,
            turns=members.shape[1] > 1,
            steps=np.array([len(entry) for entry in entries], dtype=np.int64),
            entries=lambda rows: [entries[row] for row in rows],
            entry_shape=self._entry_shape,
            scale=self._scale,
            blanks=Blanks(),
        )

    def _entries(self, turns: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> list[np.ndarray]:
        """Return each turn's ``(T, *entry_shape)`` as the store would hold it; without steps if it is missing."""
        entries = [np.zeros((0, *self._entry_shape), dtype=np.float16)] * len(turns)
        inputs = [
            (index, prepared) for index, prepared in enumerate(self._prepared(turns, refused)) if prepared is not None
        ]
        for batch in budgeted_batches([prepared.cost for _, prepared in inputs], budget=self._most):
            for index, array in self._encode([inputs[number] for number in batch], turns, refused):
                try:
                    entries[index] = storable(array, pooled=self._stream.pooled)
                except FeatureError as error:
                    refused(RefusedInput(turns[index].clip_id, self.role, str(error)))
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
                refused(RefusedInput(turns[inputs[0][0]].clip_id, self.role, str(error)))
                return
            for each in inputs:
                yield from self._encode([each], turns, refused)
            return
        yield from zip((index for index, _ in inputs), arrays, strict=True)


class _RawStream(_Stream):
    """A stream whose encoder learned with the model and runs in its graph."""

    def __init__(self, stream: Stream, spec: EncoderSpec, *, micro_batch: int | None) -> None:
        super().__init__(stream, build_preparer(spec, stream))
        self._name = spec.name
        self._config = config_of(folder_of(spec))
        self._micro_batch = micro_batch
        self._fill = int(self._config["pad_token_id"]) if MODALITY_OF[stream.role] == "text" else 0

    def inputs(self, clips: Sequence[Clip], refused: Callable[[RefusedInput], None]) -> RawStream:
        """Return the stream before its encoder runs."""
        turns, members = self._turns(clips)
        units = [
            [] if prepared is None else units_of(prepared, encoder=self._name, config=self._config)
            for prepared in self._prepared(turns, refused)
        ]
        with_steps = [index for index, each in enumerate(units) if sum(unit.steps for unit in each)]
        entry_of = np.full(len(turns) + 1, len(with_steps), dtype=np.int64)  # the last is for turns that do not exist
        entry_of[with_steps] = np.arange(len(with_steps))
        entries = [units[index] for index in with_steps]
        return raw_stream(
            entries, entry_of[members], pooled=self._stream.pooled, most=self._most(entries), fill=self._fill
        )

    def _most(self, entries: Sequence[Sequence[Unit]]) -> int | None:
        if self._micro_batch is None:
            return None
        return self._micro_batch * max((unit.cost for entry in entries for unit in entry), default=1)


def _around(clip: Clip, reach: int) -> list[Clip | None]:
    """Return the clip with the turns around it, ``2 reach + 1`` in all; None for turns that do not exist."""
    if not reach:
        return [clip]
    before, after = clip.before[-reach:], clip.after[:reach]
    return [*[None] * (reach - len(before)), *before, clip, *after, *[None] * (reach - len(after))]


def _samples(clip: Clip) -> np.ndarray:
    """Return the clip's sound, ``(n,)`` float32 at 16 kHz.

    Raises:
        CorpusError: The file cannot be read, or the samples are empty or not finite.
    """
    if isinstance(clip.audio, Path):
        return read_samples(clip.audio, n_samples=None, resample=True)
    assert clip.audio is not None
    values = np.asarray(clip.audio.values, dtype=np.float32)
    if values.ndim not in (1, 2) or not len(values):
        raise CorpusError(f"its samples have shape {values.shape}; expected (n,) or (n, channels) with n > 0")
    if not np.isfinite(values).all():
        raise CorpusError("its samples are not all finite; replace the recording")
    return to_16_khz_mono(values.reshape(len(values), -1), rate_hz=clip.audio.rate_hz)


def _videos(
    turns: Sequence[tuple[int, Clip]], *, clip_s: float | None
) -> Iterable[tuple[int, np.ndarray | CorpusError | FeatureError]]:
    """Yield the frames ``(F, H, W, 3)`` uint8 of each clip; every file is decoded once for all its clips."""
    spans: dict[Path, list[VideoSpan]] = {}
    for index, clip in turns:
        if isinstance(clip.video, Frames):
            yield index, _thinned(clip.video, clip_s=clip_s)
            continue
        assert clip.video is not None
        try:
            end_s = clip.video.end_s if clip.video.end_s is not None else clip.video.start_s + _duration_s(clip)
        except (CorpusError, FeatureError) as error:
            yield index, error
            continue
        span = VideoSpan(str(index), clip.video.side, clip.video.start_s, end_s)
        spans.setdefault(clip.video.path, []).append(span)
    for path, of_file in spans.items():
        for name, frames in read_dialogue(path, of_file, max_frames=_MAX_FRAMES, clip_s=clip_s):
            yield int(name), frames


def _duration_s(clip: Clip) -> float:
    """Return the duration of a clip whose video file has no given end: its recording's, or the rest of the file."""
    if clip.audio is not None:
        return len(_samples(clip)) / RATE_HZ
    assert isinstance(clip.video, VideoFile)
    try:
        with Film(clip.video.path) as film:
            end_s = float(film.header_frames / film.rate)
    except Damage as damage:
        raise FeatureError(f"video {clip.video.path}: {damage}; replace the file") from None
    if not end_s:
        raise FeatureError(f"video {clip.video.path} does not tell its duration; give the clip's end_s")
    return end_s - clip.video.start_s


def _thinned(frames: Frames, *, clip_s: float | None) -> np.ndarray:
    """Return the frames that extraction would take of a file that held these."""
    rate = Fraction(frames.rate_hz).limit_denominator(1_000_000)
    span = VideoSpan("", None, 0.0, float(len(frames.values) / rate))
    chosen = frame_indices(span, rate=rate, max_frames=_MAX_FRAMES, clip_s=clip_s)
    taken: np.ndarray = frames.values[np.minimum(chosen, len(frames.values) - 1)]
    return taken


def _raise(refused: RefusedInput) -> None:
    raise FeatureError(f"clip {refused.clip_id!r}, role {refused.role!r}: {refused.reason}")

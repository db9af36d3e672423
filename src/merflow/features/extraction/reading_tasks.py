"""The work of the reader processes: inputs are measured, then prepared for an encoder. Imports no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import MODALITY_OF, Stream
from merflow.corpus.samples import RATE_HZ
from merflow.errors import CorpusError, FeatureError
from merflow.features.encoders.builders import build_preparer
from merflow.features.encoders.interface import Prepared, Preparer
from merflow.features.encoders.precomputed import PrecomputedInput, is_precomputed
from merflow.features.extraction.utterance_inputs import UtteranceInput, digest_of, read_recording, read_text
from merflow.features.media.clips import cut
from merflow.features.media.dialogue_video import read_dialogue


class Measurement(NamedTuple):
    """Digest and length of an input; see :class:`merflow.features.extraction.survey.SurveyedInput`."""

    digest: str
    seconds: float
    lengths: tuple[int, ...]


class ShardInput(NamedTuple):
    """One input on its way through the readers, with the shard that waits for it and its digest."""

    shard: str
    digest: str
    source: UtteranceInput


# Shard, digest, and the prepared input or the reason why there is none.
PreparedInput = tuple[str, str, Prepared | str]


@dataclass(frozen=True)
class RecordingSurvey:
    """Measures recordings: rows with their inputs -> each row with its measurement, or with the reason for none."""

    cuts: tuple[tuple[float | None, bool], ...]

    def __call__(self, unit: Sequence[tuple[int, UtteranceInput]]) -> Iterator[tuple[int, Measurement | str]]:
        """Read the unit's recordings one by one."""
        for row, source in unit:
            try:
                samples = read_recording(source)
            except CorpusError as error:
                yield row, str(error)
                continue
            lengths = tuple(len(cut(samples, clip_s=clip_s, skip_silence=skip)) for clip_s, skip in self.cuts)
            yield row, Measurement(digest_of(samples), len(samples) / RATE_HZ, lengths)

    def part_name(self, part: tuple[int, UtteranceInput]) -> int:
        """Return the row."""
        return part[0]

    def item_name(self, item: tuple[int, Measurement | str]) -> int:
        """Return the row."""
        return item[0]

    def failed(self, part: tuple[int, UtteranceInput], reason: str) -> tuple[int, Measurement | str]:
        """Return the item of a recording that cannot be read."""
        return part[0], f"{part[1].path}: {reason}"


@dataclass(frozen=True)
class Preparation:
    """Prepares inputs for one encoder. A unit of video is utterances of one file."""

    spec: EncoderSpec
    stream: Stream

    @cached_property
    def preparer(self) -> Preparer:
        """The encoder's first half, built once per process, where it is used."""
        return build_preparer(self.spec, self.stream)

    def __call__(self, unit: Sequence[ShardInput]) -> Iterator[PreparedInput]:
        """Read and prepare one input after the other."""
        if MODALITY_OF[self.stream.role] == "video" and not is_precomputed(self.spec):
            yield from self._frames(unit)
            return
        for part in unit:
            try:
                prepared: Prepared | str = self.preparer.prepare(self._read(part))
            except (CorpusError, FeatureError) as error:
                prepared = str(error)
            yield part.shard, part.digest, prepared

    def part_name(self, part: ShardInput) -> str:
        """Return the input's digest."""
        return part.digest

    def item_name(self, item: PreparedInput) -> str:
        """Return the input's digest."""
        return item[1]

    def failed(self, part: ShardInput, reason: str) -> PreparedInput:
        """Return the item of an input that cannot be prepared."""
        return part.shard, part.digest, f"{part.source.path or 'its text'}: {reason}"

    def _read(self, part: ShardInput) -> np.ndarray | str | PrecomputedInput:
        if is_precomputed(self.spec):
            return PrecomputedInput(part.source.utterance_id)
        content = read_text(part.source) if part.source.path is None else read_recording(part.source)
        if digest_of(content) != part.digest:
            raise FeatureError("its recording changed while features were extracted; extract again")
        if isinstance(content, str):
            return content
        return cut(content, clip_s=self.stream.clip_s, skip_silence=self.stream.skip_silence)

    def _frames(self, unit: Sequence[ShardInput]) -> Iterator[PreparedInput]:
        parts = {part.source.utterance_id: part for part in unit}
        path = unit[0].source.path
        assert path is not None
        spans = [part.source.span for part in unit if part.source.span is not None]
        for utterance, frames in read_dialogue(path, spans, clip_s=self.stream.clip_s):
            part = parts[utterance]
            try:
                prepared: Prepared | str = (
                    str(frames) if isinstance(frames, FeatureError) else self.preparer.prepare(frames)
                )
            except FeatureError as error:
                prepared = str(error)
            yield part.shard, part.digest, prepared

"""The work of the reader processes: inputs measured, and inputs prepared for an encoder. Imports no torch."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import MODALITY_OF, Modality, Stream, Transcript
from merflow.corpus.samples import RATE_HZ, read_samples
from merflow.errors import CorpusError, FeatureError
from merflow.features.encoders.catalogue import Preparer, build_preparer
from merflow.features.encoders.prepared import Prepared
from merflow.features.media.clips import cut
from merflow.features.media.video import VideoSpan, read_dialogue

if TYPE_CHECKING:  # pandas would double the time that a reader process takes to start
    from merflow.corpus.manifest import Manifest

# The columns of the manifest in which inputs are.
TRANSCRIPTS: dict[Transcript, str] = {"truth": "transcript", "asr": "asr_transcript"}
_FILES: dict[Modality, str] = {"audio": "audio_path", "video": "video_path"}


class Source(NamedTuple):
    """Where one utterance's input is.

    Attributes:
        utterance_id: The utterance's name.
        path: Recording or video.
        n_samples: Of the recording as the manifest counted them, None where it did not.
        resample: Whether a recording of another rate or channel count is converted, or refused.
        text: The transcript.
        span: The utterance's part of the video.
    """

    utterance_id: str
    path: Path | None = None
    n_samples: int | None = None
    resample: bool = False
    text: str | None = None
    span: VideoSpan | None = None


class Measured(NamedTuple):
    """What the first look at an input finds; see :class:`merflow.features.extraction.inputs.Input`."""

    digest: str
    seconds: float
    lengths: tuple[int, ...]


class Ticket(NamedTuple):
    """One input on its way through the readers: the group that waits for it, its digest, its source."""

    group: str
    digest: str
    source: Source


# The group, the digest, and the input prepared, or why it could not be.
Outcome = tuple[str, str, Prepared | str]


def column_of(stream: Stream) -> str:
    """The manifest's column that a stream reads."""
    modality = MODALITY_OF[stream.role]
    return TRANSCRIPTS[stream.transcript] if modality == "text" else _FILES[modality]


def is_absent(manifest: "Manifest", column: str) -> bool:
    """Whether no utterance of a corpus has an input in this column."""
    return bool(manifest.rows[column].fillna("").astype(str).str.strip().eq("").all())


def cut_of(stream: Stream) -> tuple[float | None, bool]:
    """What of a recording a stream takes."""
    return stream.clip_s, stream.skip_silence


def read_text(source: Source) -> str:
    """The text of a source."""
    assert source.text is not None
    return source.text


def read_recording(source: Source) -> np.ndarray:
    """``(n,)`` float32 at 16 kHz.

    Raises:
        CorpusError: The recording cannot be read.
    """
    assert source.path is not None
    return read_samples(source.path, n_samples=source.n_samples, resample=source.resample)


def digest_of(source: np.ndarray | str) -> str:
    """SHA-256 of samples or text; the modality and rate take part, so that no text can pass for a recording."""
    if isinstance(source, str):
        return hashlib.sha256(b"text\n" + source.encode()).hexdigest()
    sha = hashlib.sha256(f"audio {RATE_HZ} float32\n".encode())
    sha.update(source.astype("<f4", copy=False).data)
    return sha.hexdigest()


@dataclass(frozen=True)
class RecordingSurvey:
    """Rows and their recordings -> each row with digest and lengths, or with the reason why there are none."""

    cuts: tuple[tuple[float | None, bool], ...]

    def __call__(self, unit: Sequence[tuple[int, Source]]) -> Iterator[tuple[int, Measured | str]]:
        """Reads the unit's recordings one by one."""
        for row, source in unit:
            try:
                samples = read_recording(source)
            except CorpusError as error:
                yield row, str(error)
                continue
            lengths = tuple(len(cut(samples, clip_s=clip_s, skip_silence=skip)) for clip_s, skip in self.cuts)
            yield row, Measured(digest_of(samples), len(samples) / RATE_HZ, lengths)

    def asked(self, part: tuple[int, Source]) -> int:
        """The row."""
        return part[0]

    def answered(self, item: tuple[int, Measured | str]) -> int:
        """The row."""
        return item[0]

    def lost(self, part: tuple[int, Source], reason: str) -> tuple[int, Measured | str]:
        """A recording that cannot be read."""
        return part[0], f"{part[1].path}: {reason}"


@dataclass(frozen=True)
class Preparation:
    """Tickets -> each with its input prepared for one encoder. A unit of video is the utterances of one file."""

    spec: EncoderSpec
    stream: Stream

    @cached_property
    def preparer(self) -> Preparer:
        """Built where it is used: once in every process."""
        return build_preparer(self.spec, self.stream)

    def __call__(self, unit: Sequence[Ticket]) -> Iterator[Outcome]:
        """Reads and prepares one input after the other."""
        if MODALITY_OF[self.stream.role] == "video":
            yield from self._pictures(unit)
            return
        for ticket in unit:
            try:
                prepared: Prepared | str = self.preparer.prepare(self._read(ticket))
            except (CorpusError, FeatureError) as error:
                prepared = str(error)
            yield ticket.group, ticket.digest, prepared

    def asked(self, part: Ticket) -> str:
        """The input's digest."""
        return part.digest

    def answered(self, item: Outcome) -> str:
        """The input's digest."""
        return item[1]

    def lost(self, part: Ticket, reason: str) -> Outcome:
        """An input that cannot be prepared."""
        return part.group, part.digest, f"{part.source.path or 'its text'}: {reason}"

    def _read(self, ticket: Ticket) -> np.ndarray | str:
        source = read_text(ticket.source) if ticket.source.path is None else read_recording(ticket.source)
        if digest_of(source) != ticket.digest:
            raise FeatureError("its recording changed while features were extracted; extract again")
        if isinstance(source, str):
            return source
        return cut(source, clip_s=self.stream.clip_s, skip_silence=self.stream.skip_silence)

    def _pictures(self, unit: Sequence[Ticket]) -> Iterator[Outcome]:
        tickets = {ticket.source.utterance_id: ticket for ticket in unit}
        path = unit[0].source.path
        assert path is not None
        spans = [ticket.source.span for ticket in unit if ticket.source.span is not None]
        for utterance, frames in read_dialogue(path, spans, clip_s=self.stream.clip_s):
            ticket = tickets[utterance]
            try:
                prepared: Prepared | str = (
                    str(frames) if isinstance(frames, FeatureError) else self.preparer.prepare(frames)
                )
            except FeatureError as error:
                prepared = str(error)
            yield ticket.group, ticket.digest, prepared

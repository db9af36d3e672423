"""The input of one utterance: a recording, a text, or a span of a video. Imports no torch."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from merflow.contracts.streams import MODALITY_OF, Modality, Stream
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.samples import RATE_HZ, Excerpt, read_samples
from merflow.features.media.dialogue_video import VideoSpan

if TYPE_CHECKING:  # pandas would double the time that a reader process takes to start
    from merflow.corpus.manifest import Manifest

_FILE_COLUMNS: dict[Modality, str] = {"audio": "audio_path", "video": "video_path"}


class UtteranceInput(NamedTuple):
    """One utterance's input before it is read.

    Attributes:
        path: The recording or video; None for a text.
        excerpt: The utterance's part of the recording; None if the recording is the utterance's own.
        n_samples: Samples of the recording as the manifest counted them; None if it did not.
        resample: True to convert a recording of another rate or channel count, False to refuse it.
        text: The transcript.
        span: The utterance's part of the video.
    """

    utterance_id: str
    path: Path | None = None
    excerpt: Excerpt | None = None
    n_samples: int | None = None
    resample: bool = False
    text: str | None = None
    span: VideoSpan | None = None


def column_of(stream: Stream) -> str:
    """Return the manifest's column that a stream reads."""
    modality = MODALITY_OF[stream.role]
    return TRANSCRIPT_COLUMNS[stream.transcript] if modality == "text" else _FILE_COLUMNS[modality]


def is_absent(manifest: "Manifest", column: str) -> bool:
    """Return True if no utterance of a corpus has an input in this column."""
    return bool(manifest.rows[column].fillna("").astype(str).str.strip().eq("").all())


def cut_of(stream: Stream) -> tuple[float | None, bool]:
    """Return the part of a recording that a stream reads: its seconds, and whether silence is skipped."""
    return stream.clip_s, stream.skip_silence


def read_text(source: UtteranceInput) -> str:
    """Return the text of an input."""
    assert source.text is not None
    return source.text


def read_recording(source: UtteranceInput) -> np.ndarray:
    """Return the recording of an input, ``(n,)`` float32 at 16 kHz.

    Raises:
        CorpusError: The recording cannot be read.
    """
    assert source.path is not None
    return read_samples(source.excerpt or source.path, n_samples=source.n_samples, resample=source.resample)


def digest_of(content: np.ndarray | str) -> str:
    """Return the SHA-256 of samples or text; it includes modality and rate, so no text can pass for a recording."""
    if isinstance(content, str):
        return hashlib.sha256(b"text\n" + content.encode()).hexdigest()
    sha = hashlib.sha256(f"audio {RATE_HZ} float32\n".encode())
    sha.update(content.astype("<f4", copy=False).data)
    return sha.hexdigest()

"""A survey of a manifest's inputs: every distinct input once, with a digest of its content and its length.

Recordings and texts are identified by their content. A video is too large to read for that. An utterance's frames are
identified by their file (its size, and the content of its ends and of 64 blocks spread between them), the span and the
side. Neither the path nor the modification time matters, so a copied corpus finds its features.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from merflow.contracts.progress import Progress
from merflow.contracts.streams import MODALITY_OF, Modality, Stream
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.manifest import Manifest, recording_of
from merflow.corpus.samples import Excerpt
from merflow.errors import FeatureError
from merflow.features.extraction.reader_pool import ReaderPool
from merflow.features.extraction.reading_tasks import Measurement, RecordingSurvey
from merflow.features.extraction.utterance_inputs import (
    UtteranceInput,
    column_of,
    cut_of,
    digest_of,
    is_absent,
    read_text,
)
from merflow.features.media.dialogue_video import Side, VideoSpan

_RECORDINGS_PER_UNIT = 16
_END_BYTES = 1 << 20
_BLOCK_BYTES = 4096
_BLOCKS = 64
_SIDES: dict[str, Side] = {"left": "left", "right": "right"}  # any other: the whole frame is the speaker's


@dataclass(frozen=True)
class SurveyedInput:
    """One distinct input, which several utterances may share.

    Attributes:
        source: The input of the first utterance that has it.
        digest: Digest of its content.
        seconds: Duration of the recording or video; 0 for a text.
        lengths: Samples, characters, frames or precomputed steps after each of the survey's cuts, to batch inputs of
            similar length.
    """

    source: UtteranceInput
    digest: str
    seconds: float
    lengths: tuple[int, ...]


InputKind = Modality | Literal["precomputed"]


@dataclass
class SurveyedInputs:
    """The inputs of one kind of a manifest.

    Attributes:
        kind: The modality of the inputs, or ``precomputed`` if their features came with the corpus.
        cuts: Distinct cuts of the surveyed streams: seconds, and whether silence is skipped.
        digests: Digest of every row's input; None if the utterance has none or it cannot be read.
        unique: Digest -> input, in the manifest's order, or in their file's if they are precomputed.
        unreadable: Utterance -> reason why its input cannot be read.
    """

    kind: InputKind
    cuts: tuple[tuple[float | None, bool], ...]
    digests: list[str | None] = field(default_factory=list)
    unique: dict[str, SurveyedInput] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def length(self, digest: str, stream: Stream) -> int:
        """Return an input's samples, characters or frames after the stream's cut, or its precomputed steps."""
        return self.unique[digest].lengths[self.cuts.index(cut_of(stream))]

    def _add(self, row: int, source: UtteranceInput, measured: Measurement | str) -> None:
        if isinstance(measured, str):
            self.unreadable[source.utterance_id] = measured
            return
        self.digests[row] = measured.digest
        surveyed = SurveyedInput(source, measured.digest, measured.seconds, measured.lengths)
        self.unique.setdefault(measured.digest, surveyed)


def refuse_absent(manifest: Manifest, stream: Stream) -> None:
    """Raise if the corpus lacks the stream's modality altogether.

    Raises:
        FeatureError: No utterance has an input for it.
    """
    modality, column = MODALITY_OF[stream.role], column_of(stream)
    if is_absent(manifest, column):
        remedy = ""
        if modality == "text":
            remedy = ", or transcribe the recordings (`merflow data transcribe`, or --transcribe of a benchmark)"
        elif modality == "video":
            remedy = " (`merflow data synthesize --video` generates a synthetic release that has it)"
        if manifest.root.is_file():
            remedy += ", or set features.profile=mosei to read the features that came with the corpus"
        raise FeatureError(
            f"role {stream.role!r} needs {modality}, but corpus {manifest.corpus!r} in {manifest.root} has no "
            f"{column!r} in any of its {len(manifest.rows)} utterances; choose variants without {modality}{remedy}"
        )


def survey(
    manifest: Manifest,
    streams: Sequence[Stream],
    *,
    readers: ReaderPool,
    resample: bool,
    strict: bool,
    progress: Progress,
) -> SurveyedInputs:
    """Measure every input of the one column that the streams read.

    Args:
        manifest: The corpus.
        streams: Streams that read the same column.
        readers: The processes that read recordings.
        resample: True to convert recordings of other rates and channel counts, as ``corpus.resample`` says.
        strict: True to raise at the first input that cannot be read.
        progress: Called with the stage, the inputs done and their number.

    Raises:
        FeatureError: No input can be read; or one cannot, if ``strict``.
    """
    modality = MODALITY_OF[streams[0].role]
    inputs = SurveyedInputs(modality, tuple(dict.fromkeys(cut_of(stream) for stream in streams)))
    inputs.digests = [None] * len(manifest.rows)
    sources = sources_of(manifest, streams[0], resample=resample)
    surveys = {"audio": _survey_audio, "text": _survey_text, "video": _survey_video}
    stage = f"read {modality}" + (" (asr)" if column_of(streams[0]) == TRANSCRIPT_COLUMNS["asr"] else "")
    measurements: dict[int, Measurement | str] = {}
    for done, (row, measured) in enumerate(surveys[modality](sources, inputs, readers), start=1):
        measurements[row] = measured
        if strict and isinstance(measured, str):
            raise FeatureError(f"utterance {sources[row].utterance_id}: {measured}")
        progress(stage, done, len(sources))
    for row, source in sources.items():
        inputs._add(row, source, measurements[row])
    if not inputs.unique:
        utterance, reason = next(iter(inputs.unreadable.items()))
        raise FeatureError(
            f"none of the {len(sources)} {modality} inputs of {manifest.root} can be read; {utterance}: {reason}"
        )
    return inputs


def sources_of(manifest: Manifest, stream: Stream, *, resample: bool) -> dict[int, UtteranceInput]:
    """Return the input of each row that has one, by row number.

    Args:
        manifest: The corpus.
        stream: The stream that reads the inputs.
        resample: True to convert recordings of other rates and channel counts, as ``corpus.resample`` says.
    """
    modality, column = MODALITY_OF[stream.role], column_of(stream)
    sources = {}
    for row, record in enumerate(manifest.rows.to_dict("records")):
        value = record[column]
        if pd.isna(value) or not str(value).strip():
            continue
        if modality == "text":
            sources[row] = UtteranceInput(str(record["utterance_id"]), text=str(value).strip())
        elif modality == "audio":
            sources[row] = _recording(record, manifest.root, resample=resample)
        else:
            sources[row] = _frames(record, manifest.root)
    return sources


def _recording(record: dict[Any, Any], root: Path, *, resample: bool) -> UtteranceInput:
    counted, recording = record["n_samples"], recording_of(record, root=root)
    return UtteranceInput(
        str(record["utterance_id"]),
        path=root / str(record["audio_path"]),
        excerpt=recording if isinstance(recording, Excerpt) else None,
        n_samples=None if pd.isna(counted) else int(str(counted).partition(".")[0]),
        resample=resample,
    )


def _frames(record: dict[Any, Any], root: Path) -> UtteranceInput:
    """Return an utterance's part of a video; without times, the video is its own and as long as its recording."""
    utterance, side = str(record["utterance_id"]), record["video_side"]
    start, end = record["start_s"], record["end_s"]
    if pd.isna(end) and not pd.isna(record["n_samples"]) and not pd.isna(record["rate_hz"]):
        start, end = 0.0, float(str(record["n_samples"])) / float(str(record["rate_hz"]))
    times = [0.0 if pd.isna(time) else float(str(time)) for time in (start, end)]
    span = VideoSpan(utterance, _SIDES.get(str(side)), *times)
    return UtteranceInput(utterance, path=root / str(record["video_path"]), span=span)


def _survey_audio(
    sources: dict[int, UtteranceInput], inputs: SurveyedInputs, readers: ReaderPool
) -> Iterator[tuple[int, Measurement | str]]:
    rows = list(sources.items())
    units = (rows[start : start + _RECORDINGS_PER_UNIT] for start in range(0, len(rows), _RECORDINGS_PER_UNIT))
    return readers.run(RecordingSurvey(inputs.cuts), units, ahead=2)


def _survey_text(
    sources: dict[int, UtteranceInput], _inputs: SurveyedInputs, _readers: ReaderPool
) -> Iterator[tuple[int, Measurement | str]]:
    for row, source in sources.items():
        text = read_text(source)
        yield row, Measurement(digest_of(text), 0.0, (len(text),))


def _survey_video(
    sources: dict[int, UtteranceInput], inputs: SurveyedInputs, _readers: ReaderPool
) -> Iterator[tuple[int, Measurement | str]]:
    identities: dict[Path, str | None] = {}
    for row, source in sources.items():
        assert source.path is not None
        assert source.span is not None
        if source.path not in identities:
            identities[source.path] = _file_identity(source.path)
        identity, span = identities[source.path], source.span
        if identity is None:
            yield row, f"video {source.path} is missing or cannot be opened; restore it"
            continue
        shown = f"{identity} {span.start_s!r} {span.end_s!r} {span.side}"
        seconds = max(0.0, span.end_s - span.start_s)
        lengths = tuple(
            min(180, round(30 * (seconds if clip_s is None else min(seconds, clip_s)))) for clip_s, _ in inputs.cuts
        )
        yield row, Measurement(hashlib.sha256(f"video {shown}".encode()).hexdigest(), seconds, lengths)


def _file_identity(path: Path) -> str | None:
    """Return a SHA-256 of a file's size, its first and last MiB, and blocks spread evenly over it; None if missing."""
    try:
        size = path.stat().st_size
        sha = hashlib.sha256(f"{size}\n".encode())
        with path.open("rb", buffering=0) as file:
            sha.update(file.read(_END_BYTES))
            for block in range(_BLOCKS):
                file.seek(size * block // _BLOCKS)
                sha.update(file.read(_BLOCK_BYTES))
            file.seek(max(0, size - _END_BYTES))
            sha.update(file.read(_END_BYTES))
    except OSError:
        return None
    return sha.hexdigest()

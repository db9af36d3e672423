"""What a manifest's utterances are made of: every input once, by a digest of its content, with its length.

Recordings and texts are known by what they contain. A video is too large to read for that: an utterance's pictures are
known by their file's identity (size, and the content of its ends and of 64 blocks spread between), the span and the
side; neither path nor time of change takes part, so a copied corpus finds its features.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from merflow.contracts.streams import MODALITY_OF, Modality, Stream
from merflow.corpus.manifest import Manifest
from merflow.errors import FeatureError
from merflow.features.extraction.readers import Readers
from merflow.features.extraction.sources import (
    TRANSCRIPTS,
    Measured,
    RecordingSurvey,
    Source,
    column_of,
    cut_of,
    digest_of,
    is_absent,
    read_text,
)
from merflow.features.media.video import Side, VideoSpan

Tell = Callable[[str, int, int], None]

_SURVEYED = 16  # recordings a unit
_END_BYTES = 1 << 20
_BLOCK_BYTES = 4096
_BLOCKS = 64
_SIDES: dict[str, Side] = {"left": "left", "right": "right"}  # any other: the whole picture is the speaker's


@dataclass(frozen=True)
class Input:
    """One input; several utterances may have the same.

    Attributes:
        source: Where it is; the first utterance's that has it.
        digest: Of its content.
        seconds: Of recording or video; 0 for a text.
        lengths: By stream cut: samples, characters or frames, to put inputs of similar length together.
    """

    source: Source
    digest: str
    seconds: float
    lengths: tuple[int, ...]


@dataclass
class Inputs:
    """One modality of a manifest.

    Attributes:
        digests: Of every row's input; None where the utterance has none, or it cannot be read.
        unique: Digest -> input, in the manifest's order.
        unread: Utterance -> why its input cannot be read.
    """

    modality: Modality
    cuts: tuple[tuple[float | None, bool], ...]
    digests: list[str | None] = field(default_factory=list)
    unique: dict[str, Input] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def length(self, digest: str, stream: Stream) -> int:
        """Of an input after the stream's cut: samples, characters, or frames."""
        return self.unique[digest].lengths[self.cuts.index(cut_of(stream))]

    def _take(self, row: int, source: Source, found: Measured | str) -> None:
        if isinstance(found, str):
            self.unread[source.utterance_id] = found
            return
        self.digests[row] = found.digest
        self.unique.setdefault(found.digest, Input(source, found.digest, found.seconds, found.lengths))


def refuse_absent(manifest: Manifest, stream: Stream) -> None:
    """Refuses a stream whose modality the corpus lacks altogether.

    Raises:
        FeatureError: No utterance has an input for it.
    """
    modality, column = MODALITY_OF[stream.role], column_of(stream)
    if is_absent(manifest, column):
        remedy = ""
        if modality == "text":
            remedy = " or have them heard (`merflow data transcribe`, or --transcribe of a benchmark)"
        elif modality == "video":
            remedy = " (`merflow data synthesize --video` generates a synthetic release that has it)"
        raise FeatureError(
            f"role {stream.role!r} needs {modality}, but corpus {manifest.corpus!r} in {manifest.root} has no "
            f"{column!r} in any of its {len(manifest.rows)} utterances; choose variants that do without {modality}"
            f"{remedy}"
        )


def survey(
    manifest: Manifest, streams: Sequence[Stream], *, readers: Readers, resample: bool, strict: bool, tell: Tell
) -> Inputs:
    """Looks at every input of the streams' one column.

    Raises:
        FeatureError: None of the inputs can be read; or one, where it is strict.
    """
    modality = MODALITY_OF[streams[0].role]
    inputs = Inputs(modality, tuple(dict.fromkeys(cut_of(stream) for stream in streams)))
    inputs.digests = [None] * len(manifest.rows)
    sources = sources_of(manifest, streams[0], resample=resample)
    found = {"audio": _survey_audio, "text": _survey_text, "video": _survey_video}[modality](sources, inputs, readers)
    stage = f"read {modality}" + (" (asr)" if column_of(streams[0]) == TRANSCRIPTS["asr"] else "")
    kept: dict[int, Measured | str] = {}
    for done, (row, measured) in enumerate(found, start=1):
        kept[row] = measured
        if strict and isinstance(measured, str):
            raise FeatureError(f"utterance {sources[row].utterance_id}: {measured}")
        tell(stage, done, len(sources))
    for row, source in sources.items():
        inputs._take(row, source, kept[row])
    if not inputs.unique:
        utterance, reason = next(iter(inputs.unread.items()))
        raise FeatureError(
            f"none of the {len(sources)} {modality} inputs of {manifest.root} can be read; {utterance}: {reason}"
        )
    return inputs


def sources_of(manifest: Manifest, stream: Stream, *, resample: bool) -> dict[int, Source]:
    """Row -> where its input is, for the rows that have one.

    Args:
        manifest: The corpus.
        stream: What is read.
        resample: Whether recordings of other rates and channel counts are converted, as ``corpus.resample`` says.
    """
    modality, column = MODALITY_OF[stream.role], column_of(stream)
    found = {}
    for row, record in enumerate(manifest.rows.to_dict("records")):
        value = record[column]
        if pd.isna(value) or not str(value).strip():
            continue
        if modality == "text":
            found[row] = Source(str(record["utterance_id"]), text=str(value).strip())
        elif modality == "audio":
            found[row] = _recording(record, manifest.root, resample=resample)
        else:
            found[row] = _pictures(record, manifest.root)
    return found


def _recording(record: dict[str, object], root: Path, *, resample: bool) -> Source:
    counted = record["n_samples"]
    return Source(
        str(record["utterance_id"]),
        path=root / str(record["audio_path"]),
        n_samples=None if pd.isna(counted) else int(str(counted).partition(".")[0]),
        resample=resample,
    )


def _pictures(record: dict[str, object], root: Path) -> Source:
    """Where no times are given, the video is the utterance's own and lasts as long as its recording."""
    utterance, side = str(record["utterance_id"]), record["video_side"]
    start, end = record["start_s"], record["end_s"]
    if pd.isna(end) and not pd.isna(record["n_samples"]) and not pd.isna(record["rate_hz"]):
        start, end = 0.0, float(str(record["n_samples"])) / float(str(record["rate_hz"]))
    times = [0.0 if pd.isna(time) else float(str(time)) for time in (start, end)]
    span = VideoSpan(utterance, _SIDES.get(str(side)), *times)
    return Source(utterance, path=root / str(record["video_path"]), span=span)


def _survey_audio(sources: dict[int, Source], inputs: Inputs, readers: Readers) -> Iterator[tuple[int, Measured | str]]:
    rows = list(sources.items())
    units = (rows[start : start + _SURVEYED] for start in range(0, len(rows), _SURVEYED))
    return readers.run(RecordingSurvey(inputs.cuts), units, ahead=2)


def _survey_text(
    sources: dict[int, Source], _inputs: Inputs, _readers: Readers
) -> Iterator[tuple[int, Measured | str]]:
    for row, source in sources.items():
        text = read_text(source)
        yield row, Measured(digest_of(text), 0.0, (len(text),))


def _survey_video(
    sources: dict[int, Source], inputs: Inputs, _readers: Readers
) -> Iterator[tuple[int, Measured | str]]:
    identities: dict[Path, str | None] = {}
    for row, source in sources.items():
        assert source.path is not None
        assert source.span is not None
        if source.path not in identities:
            identities[source.path] = _file_identity(source.path)
        identity, span = identities[source.path], source.span
        if identity is None:
            yield row, f"no such video, or it cannot be opened: {source.path}; restore it"
            continue
        shown = f"{identity} {span.start_s!r} {span.end_s!r} {span.side}"
        seconds = max(0.0, span.end_s - span.start_s)
        lengths = tuple(
            min(180, round(30 * (seconds if clip_s is None else min(seconds, clip_s)))) for clip_s, _ in inputs.cuts
        )
        yield row, Measured(hashlib.sha256(f"video {shown}".encode()).hexdigest(), seconds, lengths)


def _file_identity(path: Path) -> str | None:
    """SHA-256 of a large file's size, its first and last MiB, and blocks spread evenly over it; None without a file."""
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

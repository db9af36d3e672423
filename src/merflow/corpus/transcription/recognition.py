"""Recognition of a manifest's recordings: in batches of similar length, decoded ahead, each finished batch saved."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.contracts.progress import Progress
from merflow.corpus.manifest import Manifest, recording_of
from merflow.corpus.samples import RATE_HZ, Excerpt, read_samples
from merflow.corpus.transcription.journal import Journal
from merflow.corpus.transcription.whisper import Prepared, Whisper
from merflow.errors import CorpusError

_THREADS = 8  # hides the latency of network file systems; a local disk needs only one


@dataclass(frozen=True)
class Recognition:
    """The texts of a manifest's recordings.

    Attributes:
        texts: utterance_id -> text; utterances without a recording and those set aside are missing.
        set_aside: Recordings that cannot be decoded: columns utterance_id, audio_path and reason.
        transcribed: Number of recordings that this run transcribed.
        reused: Number of recordings whose text came from an earlier run.
        transcribed_s: Seconds of audio that this run transcribed.
    """

    texts: dict[str, str]
    set_aside: pd.DataFrame
    transcribed: int
    reused: int
    transcribed_s: float


@dataclass(frozen=True)
class _Recording:
    """A recording by its content, so that equal files are transcribed once."""

    digest: str
    source: Path | Excerpt
    n_samples: int | None
    seconds: float


@dataclass(frozen=True)
class _LoadedBatch:
    digests: list[str]
    prepared: Prepared | None
    seconds: float
    failures: dict[str, str]


def recognize(
    manifest: Manifest, *, whisper: Whisper, journal: Journal, resample: bool, progress: Progress
) -> Recognition:
    """Transcribe every recording that the journal does not have yet.

    Batches are formed from all recordings, longest first, and known recordings are removed from them only afterwards.
    So an interrupted run and an uninterrupted one compute the same batches.

    Args:
        manifest: The utterances.
        whisper: The recognizer.
        journal: The texts of earlier runs; finished batches are added.
        resample: If true, convert recordings of other rates and channel counts.
        progress: Receives the stage's name, the recordings done and their number.
    """
    digests, reasons = _digests(manifest, progress=progress)
    recordings = _distinct(manifest, digests)
    known = sum(recording.digest in journal.texts for recording in recordings)
    done, transcribed_s, failures = known, 0.0, dict[str, str]()
    for batch in _load_ahead(_batches(recordings, whisper, journal), whisper=whisper, resample=resample):
        if batch.prepared is not None:
            journal.add(dict(zip(batch.digests, whisper.transcribe(batch.prepared), strict=True)))
        failures |= batch.failures
        transcribed_s += batch.seconds
        done += len(batch.digests) + len(batch.failures)
        progress("transcribe", done, len(recordings))
    reasons |= {name: failures[digest] for name, digest in digests.items() if digest in failures}
    return Recognition(
        texts={name: journal.texts[digest] for name, digest in digests.items() if digest not in failures},
        set_aside=_set_aside(manifest.rows, reasons),
        transcribed=len(recordings) - known - len(failures),
        reused=known,
        transcribed_s=transcribed_s,
    )


def _set_aside(rows: pd.DataFrame, reasons: dict[str, str]) -> pd.DataFrame:
    """Return the rows that have a reason, in the manifest's order."""
    chosen = rows[rows["utterance_id"].isin(reasons)][["utterance_id", "audio_path"]]
    return chosen.assign(reason=[reasons[name] for name in chosen["utterance_id"]]).reset_index(drop=True)


def _digests(manifest: Manifest, *, progress: Progress) -> tuple[dict[str, str], dict[str, str]]:
    """Return utterance_id -> digest of its recording, and utterance_id -> reason if there is none."""
    rows = manifest.rows.to_dict("records")
    recordings = {str(row["utterance_id"]): recording_of(row, root=manifest.root) for row in rows}
    paths = list(dict.fromkeys(_file_of(recording) for recording in recordings.values() if recording is not None))
    files: dict[Path, tuple[str, str]] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for number, (path, result) in enumerate(zip(paths, pool.map(_digest, paths), strict=True), start=1):
            files[path] = result
            if number % 256 == 0 or number == len(paths):
                progress("recordings", number, len(paths))
    digests: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name, recording in recordings.items():
        if recording is None:
            continue
        digest, reason = files[_file_of(recording)]
        if digest:
            digests[name] = digest if isinstance(recording, Path) else _digest_of_part(digest, recording)
        else:
            reasons[name] = reason
    return digests, reasons


def _file_of(recording: Path | Excerpt) -> Path:
    return recording if isinstance(recording, Path) else recording.path


def _digest_of_part(digest: str, part: Excerpt) -> str:
    return hashlib.sha256(f"{digest} {part.start_s!r} {part.end_s!r}".encode()).hexdigest()


def _digest(path: Path) -> tuple[str, str]:
    """Return the digest of a file, or the reason why it cannot be read."""
    if not path.is_file():
        return "", f"no such recording: {path}"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), ""
    except OSError as error:
        return "", f"{path} cannot be read: {error.strerror}"


def _distinct(manifest: Manifest, digests: dict[str, str]) -> list[_Recording]:
    """Return each recording once, longest first; those of unknown length come last."""
    recordings: dict[str, _Recording] = {}
    for row in manifest.rows[manifest.rows["utterance_id"].isin(digests)].to_dict("records"):
        counted = None if pd.isna(row["n_samples"]) else int(row["n_samples"])
        seconds = 0.0 if counted is None or pd.isna(row["rate_hz"]) else counted / float(row["rate_hz"])
        digest, source = digests[row["utterance_id"]], recording_of(row, root=manifest.root)
        assert source is not None
        recordings.setdefault(digest, _Recording(digest, source, counted, seconds))
    return sorted(recordings.values(), key=lambda recording: (-recording.seconds, recording.digest))


def _batches(recordings: Sequence[_Recording], whisper: Whisper, journal: Journal) -> list[list[_Recording]]:
    size = whisper.params.batch_size
    batches = [recordings[start : start + size] for start in range(0, len(recordings), size)]
    unknown = [[each for each in batch if each.digest not in journal.texts] for batch in batches]
    return [batch for batch in unknown if batch]


def _load_ahead(batches: Sequence[Sequence[_Recording]], *, whisper: Whisper, resample: bool) -> Iterator[_LoadedBatch]:
    """Yield each decoded batch, and decode the next one in the background."""
    with ThreadPoolExecutor(1) as pool:
        following = None
        for batch in [*batches, None]:
            current = following
            following = None if batch is None else pool.submit(_load, batch, whisper=whisper, resample=resample)
            if current is not None:
                yield current.result()


def _load(batch: Sequence[_Recording], *, whisper: Whisper, resample: bool) -> _LoadedBatch:
    samples: dict[str, np.ndarray] = {}
    failures: dict[str, str] = {}
    for recording in batch:
        try:
            samples[recording.digest] = read_samples(recording.source, n_samples=recording.n_samples, resample=resample)
        except CorpusError as error:
            failures[recording.digest] = str(error)
    prepared = whisper.prepare(list(samples.values())) if samples else None
    seconds = sum(len(each) for each in samples.values()) / RATE_HZ
    return _LoadedBatch(list(samples), prepared, seconds, failures)

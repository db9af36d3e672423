"""Recognition of a manifest's recordings: in batches of similar length, decoded ahead, each finished batch saved."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.contracts.progress import Progress
from merflow.corpus.manifest import Manifest
from merflow.corpus.samples import RATE_HZ, read_samples
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
    path: Path
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

    Batches are made of all recordings, longest first, and known recordings are dropped from them only then. An
    interrupted run and an uninterrupted one therefore compute the same batches.

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
    """Return utterance_id -> digest of its recording, and utterance_id -> reason why there is none."""
    rows = manifest.rows[manifest.rows["audio_path"].notna()]
    digests: dict[str, str] = {}
    reasons: dict[str, str] = {}
    names, paths = list(rows["utterance_id"]), [manifest.root / path for path in rows["audio_path"]]
    with ThreadPoolExecutor(_THREADS) as pool:
        for number, (name, result) in enumerate(zip(names, pool.map(_digest, paths), strict=True), start=1):
            digest, reason = result
            if digest:
                digests[name] = digest
            else:
                reasons[name] = reason
            if number % 256 == 0 or number == len(names):
                progress("recordings", number, len(names))
    return digests, reasons


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
    rows = manifest.rows[manifest.rows["utterance_id"].isin(digests)]
    for name, path, n_samples, rate_hz in zip(
        rows["utterance_id"], rows["audio_path"], rows["n_samples"], rows["rate_hz"], strict=True
    ):
        counted = None if pd.isna(n_samples) else int(n_samples)
        seconds = 0.0 if counted is None or pd.isna(rate_hz) else counted / float(rate_hz)
        digest = digests[name]
        recordings.setdefault(digest, _Recording(digest, manifest.root / path, counted, seconds))
    return sorted(recordings.values(), key=lambda recording: (-recording.seconds, recording.digest))


def _batches(recordings: Sequence[_Recording], whisper: Whisper, journal: Journal) -> list[list[_Recording]]:
    size = whisper.params.batch_size
    batches = [recordings[start : start + size] for start in range(0, len(recordings), size)]
    unknown = [[each for each in batch if each.digest not in journal.texts] for batch in batches]
    return [batch for batch in unknown if batch]


def _load_ahead(batches: Sequence[Sequence[_Recording]], *, whisper: Whisper, resample: bool) -> Iterator[_LoadedBatch]:
    """Yield each batch decoded, and decode the next one meanwhile."""
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
            samples[recording.digest] = read_samples(recording.path, n_samples=recording.n_samples, resample=resample)
        except CorpusError as error:
            failures[recording.digest] = str(error)
    prepared = whisper.prepare(list(samples.values())) if samples else None
    seconds = sum(len(each) for each in samples.values()) / RATE_HZ
    return _LoadedBatch(list(samples), prepared, seconds, failures)

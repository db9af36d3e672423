"""All recordings of a manifest into text: in batches of similar length, decoded ahead, each finished batch kept."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.corpus.manifest import Manifest
from merflow.corpus.samples import RATE_HZ, read_samples
from merflow.corpus.transcription.journal import Journal
from merflow.corpus.transcription.whisper import Prepared, Whisper
from merflow.errors import CorpusError

_READERS = 8  # hides the latency of network file systems; on a local disk one would do


@dataclass(frozen=True)
class Recognition:
    """What came of a manifest's recordings.

    Attributes:
        texts: utterance_id -> text; utterances without a recording and those set aside are not in it.
        set_aside: Recordings that cannot be decoded: columns utterance_id, audio_path and reason.
        transcribed: Recordings that were heard now.
        kept: Recordings whose text an earlier run had kept.
        heard_s: Seconds of the recordings that were heard now.
    """

    texts: dict[str, str]
    set_aside: pd.DataFrame
    transcribed: int
    kept: int
    heard_s: float


@dataclass(frozen=True)
class _Recording:
    """A file's bytes, wherever they lie: equal recordings are heard once."""

    digest: str
    path: Path
    n_samples: int | None
    seconds: float


@dataclass(frozen=True)
class _Loaded:
    digests: list[str]
    prepared: Prepared | None
    seconds: float
    failed: dict[str, str]


def recognise(
    manifest: Manifest,
    *,
    whisper: Whisper,
    journal: Journal,
    resample: bool,
    progress: Callable[[str, int, int], None],
) -> Recognition:
    """Hears every recording that the journal does not know.

    Batches are made of all recordings, longest first, and only then thinned of those already known, so that a run that
    was interrupted and one that was not compute the same batches.

    Args:
        manifest: The utterances.
        whisper: Who hears them.
        journal: What was heard before; finished batches are added.
        resample: Whether other rates and channel counts are converted.
        progress: Called with the stage's name, the recordings done and their number.
    """
    digests, reasons = _digests(manifest, progress=progress)
    recordings = _distinct(manifest, digests)
    known = sum(recording.digest in journal.texts for recording in recordings)
    done, heard_s, failed = known, 0.0, dict[str, str]()
    for loaded in _ahead(_batches(recordings, whisper, journal), whisper=whisper, resample=resample):
        if loaded.prepared is not None:
            journal.add(dict(zip(loaded.digests, whisper.transcribe(loaded.prepared), strict=True)))
        failed |= loaded.failed
        heard_s += loaded.seconds
        done += len(loaded.digests) + len(loaded.failed)
        progress("transcribe", done, len(recordings))
    reasons |= {name: failed[digest] for name, digest in digests.items() if digest in failed}
    return Recognition(
        texts={name: journal.texts[digest] for name, digest in digests.items() if digest not in failed},
        set_aside=_set_aside(manifest.rows, reasons),
        transcribed=len(recordings) - known - len(failed),
        kept=known,
        heard_s=heard_s,
    )


def _set_aside(rows: pd.DataFrame, reasons: dict[str, str]) -> pd.DataFrame:
    """The rows that a reason speaks of, in the manifest's order."""
    aside = rows[rows["utterance_id"].isin(reasons)][["utterance_id", "audio_path"]]
    return aside.assign(reason=[reasons[name] for name in aside["utterance_id"]]).reset_index(drop=True)


def _digests(manifest: Manifest, *, progress: Callable[[str, int, int], None]) -> tuple[dict[str, str], dict[str, str]]:
    """utterance_id -> digest of its recording, and utterance_id -> why there is none."""
    rows = manifest.rows[manifest.rows["audio_path"].notna()]
    digests: dict[str, str] = {}
    reasons: dict[str, str] = {}
    names, paths = list(rows["utterance_id"]), [manifest.root / path for path in rows["audio_path"]]
    with ThreadPoolExecutor(_READERS) as pool:
        for number, (name, found) in enumerate(zip(names, pool.map(_digest, paths), strict=True), start=1):
            (digests if found[0] else reasons)[name] = found[0] or found[1]
            if number % 256 == 0 or number == len(names):
                progress("recordings", number, len(names))
    return digests, reasons


def _digest(path: Path) -> tuple[str, str]:
    """The digest of a file's bytes, or why they cannot be read."""
    if not path.is_file():
        return "", f"no such recording: {path}"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), ""
    except OSError as error:
        return "", f"{path} cannot be read: {error.strerror}"


def _distinct(manifest: Manifest, digests: dict[str, str]) -> list[_Recording]:
    """Each recording once, longest first; those of unknown length last."""
    found: dict[str, _Recording] = {}
    rows = manifest.rows[manifest.rows["utterance_id"].isin(digests)]
    for name, path, n_samples, rate_hz in zip(
        rows["utterance_id"], rows["audio_path"], rows["n_samples"], rows["rate_hz"], strict=True
    ):
        counted = None if pd.isna(n_samples) else int(n_samples)
        seconds = 0.0 if counted is None or pd.isna(rate_hz) else counted / float(rate_hz)
        digest = digests[name]
        found.setdefault(digest, _Recording(digest, manifest.root / path, counted, seconds))
    return sorted(found.values(), key=lambda recording: (-recording.seconds, recording.digest))


def _batches(recordings: Sequence[_Recording], whisper: Whisper, journal: Journal) -> list[list[_Recording]]:
    size = whisper.params.batch_size
    cut = [recordings[start : start + size] for start in range(0, len(recordings), size)]
    thinned = [[each for each in batch if each.digest not in journal.texts] for batch in cut]
    return [batch for batch in thinned if batch]


def _ahead(batches: Sequence[Sequence[_Recording]], *, whisper: Whisper, resample: bool) -> Iterator[_Loaded]:
    """Each batch decoded, while the one before it is transcribed."""
    with ThreadPoolExecutor(1) as pool:
        following = None
        for batch in [*batches, None]:
            current = following
            following = None if batch is None else pool.submit(_load, batch, whisper=whisper, resample=resample)
            if current is not None:
                yield current.result()


def _load(batch: Sequence[_Recording], *, whisper: Whisper, resample: bool) -> _Loaded:
    samples: dict[str, np.ndarray] = {}
    failed: dict[str, str] = {}
    for recording in batch:
        try:
            samples[recording.digest] = read_samples(recording.path, n_samples=recording.n_samples, resample=resample)
        except CorpusError as error:
            failed[recording.digest] = str(error)
    prepared = whisper.prepare(list(samples.values())) if samples else None
    seconds = sum(len(each) for each in samples.values()) / RATE_HZ
    return _Loaded(list(samples), prepared, seconds, failed)

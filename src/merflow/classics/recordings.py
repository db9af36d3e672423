"""Functionals of a corpus's recordings, stored on disk in portions, so that an interrupted run computes none twice."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.classics import opensmile_sets
from merflow.classics.catalogue import FunctionalSet
from merflow.classics.functionals import functionals
from merflow.contracts.processes import in_processes
from merflow.contracts.progress import Progress, say
from merflow.corpus.manifest import Manifest, recording_of
from merflow.corpus.samples import Excerpt, read_samples
from merflow.errors import CorpusError
from merflow.storage.local import replacing

# Recordings per file and call; starting a process costs about as much as a quarter of them.
_PORTION = 64
_ID = "utterance_id"


def functionals_of(
    manifest: Manifest,
    utterances: Sequence[str],
    *,
    kind: FunctionalSet,
    folder: Path,
    resample: bool,
    workers: int,
    progress: Progress,
) -> dict[str, np.ndarray]:
    """Return the functionals of these utterances; all NaN if a recording is missing or unreadable.

    Args:
        manifest: The corpus.
        utterances: Ids, in an order that stays the same from run to run.
        kind: The set of functionals.
        folder: Folder of finished portions, only for this corpus, set and code.
        resample: ``corpus.resample``.
        workers: Processes.
        progress: Receives the number of finished recordings.

    Raises:
        CorpusError: No recording can be read.
        OutputError: The folder cannot be written.
    """
    recordings = {row[_ID]: recording_of(row, root=manifest.root) for row in manifest.rows.to_dict("records")}
    portions = [utterances[start : start + _PORTION] for start in range(0, len(utterances), _PORTION)]
    files = [folder / f"{number:05d}.parquet" for number in range(len(portions))]
    done = sum(len(portion) for portion, file in zip(portions, files, strict=True) if file.is_file())
    calls = [
        partial(
            _write_portion,
            [(name, recordings[name]) for name in portion],
            kind=kind,
            file=file,
            resample=resample,
        )
        for portion, file in zip(portions, files, strict=True)
        if not file.is_file()
    ]
    stage = f"functionals {kind}"
    progress(stage, done, len(utterances))

    def finished(count: int) -> None:
        nonlocal done
        done += count
        progress(stage, done, len(utterances))

    if workers == 1 or len(calls) < 2 * workers:
        for call in calls:
            finished(call())
    else:
        in_processes(calls, workers=workers, finished=finished)
    return _read(files, utterances)


def _read(files: Sequence[Path], utterances: Sequence[str]) -> dict[str, np.ndarray]:
    table = pd.concat([pd.read_parquet(file) for file in files]).set_index(_ID).loc[list(utterances)]
    values = table.to_numpy(dtype=np.float64)
    unknown = [name for name, row in zip(utterances, np.isnan(values).all(axis=1), strict=True) if row]
    if len(unknown) == len(utterances):
        raise CorpusError(
            f"none of the {len(utterances)} recordings can be read, for example that of {unknown[0]}; validate the "
            "corpus (merflow data validate), or set classics.audio=false"
        )
    if unknown:
        say(f"classics: {len(unknown)} recordings are missing or unreadable, for example that of {unknown[0]}")
    return dict(zip(utterances, values, strict=True))


def _write_portion(
    recordings: Sequence[tuple[str, Path | Excerpt | None]], *, kind: FunctionalSet, file: Path, resample: bool
) -> int:
    """Write the functionals of a few recordings and return their number."""
    compute = _function(kind)
    rows = [_row(recording, compute, resample=resample) for _, recording in recordings]
    width = max(len(row) for row in rows)
    values = np.stack([row if len(row) else np.full(width, np.nan) for row in rows])
    values[~np.isfinite(values)] = np.nan
    table = pd.DataFrame(values.astype(np.float32), columns=[f"f{column}" for column in range(width)])
    table.insert(0, _ID, [name for name, _ in recordings])
    with replacing(file) as part:
        table.to_parquet(part, index=False)
    return len(recordings)


def _row(
    recording: Path | Excerpt | None, compute: Callable[[np.ndarray], np.ndarray], *, resample: bool
) -> np.ndarray:
    """Return the functionals of one recording; nothing if it is missing or unreadable."""
    if recording is None:
        return np.empty(0)
    try:
        samples = read_samples(recording, n_samples=None, resample=resample)
    except CorpusError:
        return np.empty(0)
    return compute(samples)


def _function(kind: FunctionalSet) -> Callable[[np.ndarray], np.ndarray]:
    if kind == "merflow":
        return functionals
    return partial(opensmile_sets.opensmile_functionals, extract=opensmile_sets.extractor(kind))

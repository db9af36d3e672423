"""The jobs before training, from a corpus to the files that folds are trained on."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderProfile, UserPresets
from merflow.contracts.progress import Progress
from merflow.contracts.task import task_of
from merflow.corpus.source import CorpusSource
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.transcribe import transcribe
from merflow.jobs.validate import validate
from merflow.presets.variants import chosen, read_video
from merflow.runs.data import Data
from merflow.runs.workspace import Workspace


def prepare(
    source: CorpusSource,
    *,
    variants: Sequence[str],
    out: Path,
    params: Params,
    quarantine: bool = False,
    asr: bool = False,
    user_presets: UserPresets | None = None,
    profile: EncoderProfile | None = None,
    needed_folds: Sequence[int] = (),
    progress: Progress | None = None,
) -> Data:
    """Run all jobs before training; see :func:`merflow.jobs.benchmark.benchmark` for the arguments.

    The splits must have the ``needed_folds``, which is checked before anything is extracted.

    Raises:
        SplitError: The splits lack one of the folds.
    """
    manifest = prepared_manifest(
        source,
        out=out,
        video=read_video(variants, user_presets),
        params=params,
        quarantine=quarantine,
        asr=asr,
        progress=progress,
    )
    return prepared_folds(
        manifest,
        variants=variants,
        store=Workspace(out).store_of(params.features.store),
        out=out,
        params=params,
        user_presets=user_presets,
        profile=profile,
        needed_folds=needed_folds,
        progress=progress,
    )


def prepared_manifest(
    source: CorpusSource,
    *,
    out: Path,
    video: bool,
    params: Params,
    quarantine: bool = False,
    asr: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Index, validate and transcribe (with ``asr``) a corpus in ``out``, and return its manifest.

    Raises:
        MerflowError: A job failed.
    """
    workspace, manifest = Workspace(out), out / "manifest.parquet"
    checked = out / "validated.parquet" if asr else manifest
    root = source.locate(workspace.corpus, video=video, progress=progress)
    index(root, corpus=source.corpus, out=out / "all.parquet", params=params.corpus)
    validate(
        out / "all.parquet",
        out=checked,
        summary=out / "validation.html",
        docs=out / "validation",
        quarantine=out / "quarantine.csv" if quarantine else None,
        params=params.corpus,
        progress=progress,
    )
    if asr:
        transcribe(
            checked,
            out=manifest,
            report=out / "transcripts.json",
            quarantine=out / "transcripts.quarantine.csv",
            journal=workspace.journal,
            params=params.transcription,
            corpus=params.corpus,
            progress=progress,
        )
    return manifest


def prepared_folds(
    manifest: Path,
    *,
    variants: Sequence[str],
    store: Path,
    out: Path,
    params: Params,
    user_presets: UserPresets | None = None,
    profile: EncoderProfile | None = None,
    needed_folds: Sequence[int] = (),
    progress: Progress | None = None,
) -> Data:
    """Split a validated manifest, and extract the features that the variants need into the store.

    Raises:
        SplitError: The protocol does not suit the corpus, or the splits lack one of the ``needed_folds``.
        PresetError: A variant is unknown, or its recipe needs something that the task does not have.
        MerflowError: A job failed.
    """
    splits, features = out / "splits.parquet", out / "features.json"
    folds = split(manifest, out=splits, params=params.splits)
    for fold in needed_folds:
        folds.check_fold(fold)
    task = task_of(folds.params.named_task, classes=())  # a recipe does not depend on the classes
    for preset in chosen(variants, user_presets):
        preset.for_task(task)
    extract(
        manifest,
        variants=variants,
        store=store,
        out=features,
        params=params.features,
        corpus=params.corpus,
        user_presets=user_presets,
        profile=profile,
        progress=progress,
    )
    return Data(manifest, splits, features)

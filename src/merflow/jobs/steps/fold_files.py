"""Trained and unfinished folds in S3."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from merflow.contracts.tracked_run import read_tracked_run
from merflow.jobs.steps.corpus_files import fetch_recordings
from merflow.jobs.steps.feature_files import encoder_folders, fetch_features, fetch_models
from merflow.jobs.steps.shared_files import SharedFiles
from merflow.runs.data import Data
from merflow.runs.fold_folder import MODEL, RECORD
from merflow.runs.remembered import folder_of

if TYPE_CHECKING:
    from merflow.folds.inputs import FoldInputs


def fetch_fold(folder: Path, shared: SharedFiles, *, weights: bool) -> bool:
    """Fetch a trained fold, with or without its model; return True if it is here now."""
    if shared.remote is None:
        return (folder / RECORD).is_file()
    return shared.remote.fetch_below(folder.absolute(), wanted=_any if weights else _no_weights)


def fetch_inputs(inputs: "FoldInputs", data: Data, shared: SharedFiles, *, folds: Collection[int]) -> None:
    """Fetch what folds are trained from: stored features and, where encoders learn, the encoders and recordings.

    Args:
        inputs: Inputs of one of the folds.
        data: The files that they were read from.
        shared: The shared files.
        folds: The folds.
    """
    if shared.remote is None:
        return
    fetch_features(data.features, shared, manifest=data.manifest, splits=data.splits, folds=folds)
    if any(recipe.policy != "frozen" for recipe in inputs.recipes):
        fetch_models(encoder_folders(inputs.features), shared)
        fetch_recordings(data.manifest, shared, video=any(stream.role == "video" for stream in inputs.streams))


@contextmanager
def training(unfinished: Path, shared: SharedFiles, folder: Path) -> Iterator[None]:
    """Fetch the checkpoint of a fold and upload newer ones while it trains; at the end, upload the fold instead.

    Args:
        unfinished: Folder of the checkpoint.
        shared: The shared files.
        folder: The fold's folder. If it is complete already, there is nothing to do.
    """
    if shared.remote is None or (folder / RECORD).is_file():
        yield
        return
    shared.fetch_below(unfinished)
    with shared.uploading(lambda: unfinished.glob("*.safetensors"), immutable=False):
        yield
    shared.remote.publish(folder.absolute())
    shared.remote.remove(unfinished.absolute())


def fetch_evaluated(folders: Sequence[Path], shared: SharedFiles, *, run: Path) -> None:
    """Fetch trained folds without their models, but with the model of a fold that MLflow still lacks.

    Args:
        folders: The folds' folders.
        shared: The shared files.
        run: File of the benchmark's run.
    """
    if shared.remote is None:
        return
    from merflow.jobs.sync import lacking

    for folder in folders:
        fetch_fold(folder, shared, weights=False)
    for folder in lacking(run, [folder for folder in folders if (folder / RECORD).is_file()]):
        fetch_fold(folder, shared, weights=True)
    shared.fetch_below(folder_of(read_tracked_run(run)))


def remembered_files(run: Path) -> list[Path]:
    """Return the files that are remembered of a benchmark here (:mod:`merflow.runs.remembered`)."""
    tracked = read_tracked_run(run) if run.is_file() else None
    return [] if tracked is None else [path for path in folder_of(tracked).rglob("*") if path.is_file()]


def mirror_remembered(shared: SharedFiles, *, run: Path) -> None:
    """Upload what is remembered of a benchmark, or delete it if it was forgotten."""
    tracked = read_tracked_run(run)
    if tracked.uri is not None:
        shared.mirror(folder_of(tracked))


@contextmanager
def trying(trials: Path, shared: SharedFiles) -> Iterator[None]:
    """Fetch the checkpoints of unfinished trials, upload newer ones, and delete those of trials that ended here."""
    shared.fetch_below(trials)
    seen: set[Path] = set()

    def checkpoints() -> list[Path]:
        found = list(trials.glob("*/*/*.safetensors"))
        seen.update(path.parents[1] for path in found)
        return found

    with shared.uploading(checkpoints, immutable=False):
        yield
    for folder in seen:
        if shared.remote is not None and not folder.is_dir():
            shared.remote.remove(folder.absolute())


def _no_weights(path: str) -> bool:
    return path == RECORD or not path.startswith(f"{MODEL}/")


def _any(_path: str) -> bool:
    return True

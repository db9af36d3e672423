"""The files that record what a benchmark has to upload to MLflow, now or later.

``<workspace>/tracking/<benchmark id>/`` holds ``run.json``, one small file per finished fold with the path of its
folder, and ``results.json`` with the paths of results, report and tables. Paths within the workspace are relative to
it, so that the workspace may be moved.

On a cluster, results are outside the workspace and disappear with their pod. If an upload fails, :func:`keep_copies`
copies them into ``kept/``; if it succeeds, :func:`forget_after_pod` removes the record.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.tracked_run import (
    RememberedFold,
    RememberedResults,
    TrackedRun,
    read_remembered_fold,
    read_remembered_results,
    read_tracked_run,
    write_remembered,
    write_tracked_run,
)
from merflow.runs.fold_folder import read_record
from merflow.runs.workspace import Workspace
from merflow.storage.local import replacing, replacing_folder

# A pod of KFP mounts copies of an object store's files below one of these.
OBJECT_STORES = tuple(map(Path, ("/gcs", "/minio", "/oci", "/s3")))
_RUN, _RESULTS, _FOLDS, _KEPT = "run.json", "results.json", "fold-*.json", "kept"


@dataclass(frozen=True)
class RememberedBenchmark:
    """Everything recorded about one benchmark.

    Attributes:
        folds: Folders of its finished folds.
        results: Paths of results, report and tables by name in MLflow; empty before the evaluation.
        command: The command that reproduces it; empty before the evaluation.
    """

    run: TrackedRun
    folds: tuple[Path, ...]
    results: Mapping[str, Path]
    command: str


def run_file(folder: Path) -> Path:
    """Return the file of a benchmark's run in the folder of its record."""
    return folder / _RUN


def remembered_below(workspace: Path) -> list[Path]:
    """List the folders of the benchmarks recorded in a workspace."""
    return sorted(path.parent for path in Workspace(workspace).tracked.glob(f"*/{_RUN}"))


def read_remembered(folder: Path) -> RememberedBenchmark:
    """Read the record of a benchmark.

    Raises:
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    workspace, results = folder.parents[1], folder / _RESULTS
    run = read_tracked_run(run_file(folder))
    evaluated = read_remembered_results(results) if results.is_file() else RememberedResults(files={}, command="")
    folds = [workspace / read_remembered_fold(path).folder for path in sorted(folder.glob(_FOLDS))]
    files = {name: workspace / path for name, path in evaluated.files.items()}
    return RememberedBenchmark(run, tuple(folds), files, evaluated.command)


def remember_run(run: TrackedRun) -> None:
    """Record a benchmark.

    Raises:
        OutputError: The workspace cannot be written.
    """
    write_tracked_run(run_file(folder_of(run)), run)


def remember_fold(run: TrackedRun, fold: Path) -> None:
    """Record the folder of a finished fold.

    Raises:
        OutputError: The workspace cannot be written.
    """
    trained = read_record(fold)
    name = f"fold-{trained.model}_{trained.preset}-{trained.fold}-{trained.seed}.json"
    write_remembered(folder_of(run) / name, RememberedFold(folder=_relative(fold, run)))


def remember_trained(run: Path | None, fold: Path) -> None:
    """Record a fold that was just trained, unless nothing is tracked or its folder disappears with its pod.

    Args:
        run: File of the benchmark's run; None tracks nothing.
        fold: The fold's folder.
    """
    tracked = None if run is None else read_tracked_run(run)
    if tracked is not None and tracked.uri is not None and not vanishes_with_pod(fold):
        remember_fold(tracked, fold)


def remember_results(run: TrackedRun, *, files: Mapping[str, Path], command: str) -> None:
    """Record results, report and tables by their names in MLflow.

    Raises:
        OutputError: The workspace cannot be written.
    """
    paths = {name: _relative(path, run) for name, path in files.items()}
    write_remembered(folder_of(run) / _RESULTS, RememberedResults(files=paths, command=command))


def keep_copies(run: TrackedRun) -> None:
    """Copy files that would disappear with this pod into the workspace, for a later upload; elsewhere, do nothing.

    Raises:
        OutputError: The workspace cannot be written.
    """
    folder = folder_of(run)
    for path in sorted(folder.glob(_FOLDS)):
        fold = Path(read_remembered_fold(path).folder)
        if vanishes_with_pod(fold):
            with replacing_folder(folder / _KEPT / path.stem) as part:
                shutil.copytree(fold, part, dirs_exist_ok=True)
            write_remembered(path, RememberedFold(folder=_relative(folder / _KEPT / path.stem, run)))
    results = read_remembered_results(folder / _RESULTS)
    files = dict(results.files)
    for name, file in results.files.items():
        if vanishes_with_pod(Path(file)):
            with replacing(folder / _KEPT / name) as part:
                shutil.copyfile(file, part)
            files[name] = _relative(folder / _KEPT / name, run)
    write_remembered(folder / _RESULTS, RememberedResults(files=files, command=results.command))


def forget_after_pod(run: TrackedRun) -> None:
    """Remove the record of an uploaded benchmark if any of its files disappear with this pod."""
    folder = folder_of(run)
    paths = [read_remembered_fold(path).folder for path in folder.glob(_FOLDS)]
    if (folder / _RESULTS).is_file():
        paths += read_remembered_results(folder / _RESULTS).files.values()
    if any(vanishes_with_pod(Path(path)) for path in paths):
        shutil.rmtree(folder)


def vanishes_with_pod(path: Path) -> bool:
    """Return True if this is a pod's own copy of a file or folder in an object store."""
    return path.exists() and any(path.is_relative_to(store) for store in OBJECT_STORES)


def folder_of(run: TrackedRun) -> Path:
    """Return the folder of a benchmark's record."""
    return Workspace(Path(run.workspace)).tracked / run.benchmark_id


def _relative(path: Path, run: TrackedRun) -> str:
    """Return a path relative to the workspace if it is inside, else absolute."""
    root, absolute = Path(run.workspace), path.resolve()
    return str(absolute.relative_to(root) if absolute.is_relative_to(root) else absolute)

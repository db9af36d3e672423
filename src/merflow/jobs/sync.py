"""Uploads to MLflow: at the end of a benchmark, and with ``merflow tracking sync`` at any later time.

What there is to upload is remembered in the benchmark's workspace (:mod:`merflow.runs.remembered`). MLflow itself knows
what it has: an upload that was cut short is completed, and nothing is uploaded twice.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.history import read_history
from merflow.contracts.progress import say
from merflow.contracts.score_results import AnyResults, ScoreResults, read_any_results
from merflow.contracts.tracked_run import read_tracked_run
from merflow.errors import TrackingError
from merflow.evaluation.report.figures import confusion_figure, learning_figure
from merflow.evaluation.report.scores.figures import scatter_figure
from merflow.runs import remembered
from merflow.runs.fold_folder import read_record
from merflow.runs.remembered import RememberedBenchmark
from merflow.runs.remote.location import remote_address
from merflow.runs.run_folder import RESULTS
from merflow.runs.workspace import Workspace
from merflow.tracking.connection import tracking_uri
from merflow.tracking.fold_tags import run_name
from merflow.tracking.mlflow_runs import BenchmarkRun, open_benchmark

# Files of a search, in the folder of `merflow tune` and in that of a pipeline.
_SEARCHES = ("search.json", "study.json")


@dataclass(frozen=True)
class Uploaded:
    """The outcome of one benchmark's upload.

    Attributes:
        name: Name of the benchmark's run.
        run_id: MLflow's id of it.
        uri: The tracking server or database.
        folds: Number of finished folds.
        new_folds: Number of those that MLflow lacked.
        results: True if the benchmark has results.
        new_results: True if MLflow lacked them.
    """

    name: str
    run_id: str
    uri: str
    folds: int
    new_folds: int
    results: bool
    new_results: bool


def sync(root: Path, *, uri: str | None) -> list[Uploaded]:
    """Upload what MLflow lacks of every benchmark in a folder.

    Args:
        root: The ``--out`` folder of a benchmark.
        uri: The server or database to upload to; None for each benchmark's own.

    Raises:
        TrackingError: The folder remembers no benchmark, MLflow cannot track at ``uri``, a file of the benchmark is
            missing, or the server cannot be reached or refuses.
        EvaluationError: A fold's folder is missing.
    """
    folders = remembered.remembered_below(root)
    if not folders:
        search = next((name for name in _SEARCHES if (root / name).is_file()), None)
        if search is not None:
            raise TrackingError(
                f"{root} is the folder of a search ({search}), which sync does not upload; run the command that made "
                "it again: it tries nothing anew and uploads what MLflow lacks (--set tracking.uri=URI for another "
                "server)"
            )
        raise TrackingError(
            f"{root} remembers no benchmark (no {Workspace(root).tracked}/*/run.json); pass the --out folder of "
            "`merflow benchmark` or `merflow pipeline run` that ran with tracking.uri other than none"
        )
    return [upload(folder, uri=None if uri is None else tracking_uri(uri, folder=root)) for folder in folders]


def log_benchmark(run: Path, *, trained: Sequence[Path], files: Mapping[str, Path], command: str) -> None:
    """Complete the benchmark's run: folds that have no run of their own, figures, files.

    Where MLflow cannot be reached, what a pod would take with it is copied into the workspace, and a line says how to
    upload everything later.

    Args:
        run: File of the run.
        trained: Fold folders.
        files: ``results.json`` and other text files, by their names in MLflow.
        command: The command that reproduces the run.
    """
    tracked = read_tracked_run(run)
    if tracked.uri is None:
        return
    remembered.remember_run(tracked)  # again: a pipeline's cached run may have been uploaded and forgotten
    for folder in trained:
        remembered.remember_fold(tracked, folder)
    remembered.remember_results(tracked, files=files, command=command)
    try:
        upload(remembered.folder_of(tracked), uri=None)
        remembered.forget_after_pod(tracked)
    except TrackingError as error:
        remembered.keep_copies(tracked)
        again = shlex.join(["merflow", "tracking", "sync", str(remote_address(os.environ) or tracked.workspace)])
        say(f"track: {error}")
        say(f"track: nothing is lost; once MLflow answers, upload what it lacks with: {again}")


def lacking(run: Path, trained: Sequence[Path], *, uri: str | None = None) -> list[Path]:
    """Return the folds that an upload may need: those that MLflow lacks, or all if it does not answer.

    Args:
        run: File of the benchmark's run.
        trained: Fold folders.
        uri: The server or database to upload to; None for the benchmark's own.
    """
    tracked = read_tracked_run(run)
    if tracked.uri is None and uri is None:
        return []
    benchmark = open_benchmark(tracked, uri=uri)
    try:
        return [folder for folder in trained if not benchmark.has_finished(read_record(folder))]
    except TrackingError:
        return list(trained)


def upload(folder: Path, *, uri: str | None) -> Uploaded:
    """Upload what MLflow lacks of one remembered benchmark.

    Args:
        folder: The folder in which it is remembered.
        uri: The server or database to upload to; None for the benchmark's own.

    Raises:
        TrackingError: A file of the benchmark is missing, or the server cannot be reached or refuses.
        EvaluationError: A fold's folder is missing.
        FormatError: Another version of merflow wrote these files, and nothing was uploaded.
    """
    benchmark = remembered.read_remembered(folder)
    records = {fold: read_record(fold) for fold in benchmark.folds}
    run = open_benchmark(benchmark.run, uri=uri)
    run_id = run.open()
    new_folds = 0
    for number, (fold, record) in enumerate(records.items(), start=1):
        if run.log_finished_fold(fold, record):
            new_folds += 1
            say(f"track: uploaded {run_name(record)} ({number} of {len(records)})")
    has_results = bool(benchmark.results)
    new_results = has_results and _log_results(run, benchmark, records)
    if not has_results:
        say(f"track: {benchmark.run.name} has no results yet; the same command goes on with it, and uploads them")
    where = uri or str(benchmark.run.uri)
    return Uploaded(benchmark.run.name, run_id, where, len(records), new_folds, has_results, new_results)


def _log_results(run: BenchmarkRun, benchmark: RememberedBenchmark, records: Mapping[Path, FoldRecord]) -> bool:
    for path in benchmark.results.values():
        if not path.is_file():
            raise TrackingError(f"{path} is missing; run the benchmark again, which writes and uploads it")
    results = read_any_results(benchmark.results[RESULTS])
    return run.log_results(
        results,
        variants={record.variant: record for record in records.values() if record.variant in results.variants},
        files=benchmark.results,
        figures=lambda variant: _figures(variant, results=results, records=records),
        command=benchmark.command,
    )


def _figures(variant: str, *, results: AnyResults, records: Mapping[Path, FoldRecord]) -> dict[str, Any]:
    """Draw a variant's confusion matrix or scatter plot, and the learning curves of each seed, by file name."""
    if isinstance(results, ScoreResults):
        scored = results.variants[variant]
        drawn = {"scatter.png": scatter_figure(scored, low=results.low, high=results.high, title=variant)}
    else:
        counts = results.variants[variant].confusion
        drawn = {"confusion.png": confusion_figure(counts, classes=results.classes, title=variant)}
    ours = {fold: record for fold, record in records.items() if record.variant == variant}
    for seed in sorted({record.seed for record in ours.values()}):
        drawn["learning.png" if not seed else f"learning-seed-{seed}.png"] = learning_figure(
            {record.fold: read_history(fold) for fold, record in ours.items() if record.seed == seed},
            title=variant if not seed else f"{variant}, seed {seed}",
            chosen={
                row.fold: row.chosen_epoch
                for row in results.variants[variant].folds
                if row.seed == seed and row.chosen_epoch is not None
            },
            figure_name="dev_mae" if isinstance(results, ScoreResults) else "dev_ua",
        )
    return drawn

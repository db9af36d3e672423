"""The report on one or several finished runs. Nothing is trained."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.params import EvaluationParams
from merflow.contracts.score_results import AnyResults, read_any_results
from merflow.errors import EvaluationError
from merflow.jobs.evaluate import evaluate
from merflow.jobs.summaries import check_one_task
from merflow.runs.run_folder import RESULTS, RunFolder, TrainedFold, read_run


def report(
    runs: Sequence[Path],
    *,
    out: Path | None,
    command: str,
    params: EvaluationParams,
    manifest: Path | None = None,
    splits: Path | None = None,
    name: str | None = None,
) -> tuple[AnyResults, Path]:
    """Compute the figures of one or more finished runs, and write results, report and tables.

    Args:
        runs: Folders of benchmarks or pipelines.
        out: Folder for ``results.json``, ``report.html`` and the tables; None for the run's own folder.
        command: Command to print in the report if the runs have not recorded theirs.
        params: Settings of the bootstrap and the calibration error.
        manifest: Manifest that all folds were trained on; None to find it in the runs.
        splits: Splits that all folds were trained on; None to find them in the runs.
        name: Title; None for the names of the runs.

    Returns:
        The results, and the path of the report.

    Raises:
        EvaluationError: A run has no finished fold, lacks folds, or was trained on other data or for another task than
            another run.
        FormatError: Another version of merflow made a run.
        PresetError: This version of merflow ships no preset that a variant is based on.
        OutputError: ``out`` cannot be written.
    """
    folders = [read_run(folder) for folder in runs]
    if len(folders) > 1 and out is None:
        raise EvaluationError("several runs have no common folder; name a folder for their report with --out")
    check_one_task([fold for run in folders for fold in run.folds.values()], verb="report")
    _check_same_data(folders)
    first = folders[0]
    target = out or first.root
    commands = [run.command for run in folders if run.command]
    results = evaluate(
        _folds(folders),
        manifest=manifest or first.manifest(),
        splits=splits or first.splits(),
        results=target / RESULTS,
        report=target / "report.html",
        name=name or " and ".join(run.name for run in folders),
        command="\n".join([*commands, *([command] if len(folders) > 1 or not commands else [])]),
        params=params,
        classics=_classics(folders),
    )
    return results, target / "report.html"


def _classics(runs: Sequence[RunFolder]) -> Path | None:
    """Return the classics of the first run that has some."""
    return next((folder for run in runs if (folder := run.classics()) is not None), None)


def recorded_params(run: Path, params: EvaluationParams) -> EvaluationParams:
    """Return the evaluation settings from the run's ``results.json``, so that its figures stay the same.

    Args:
        run: Folder of the run.
        params: Settings for a run without ``results.json``.
    """
    results = run / RESULTS
    return read_any_results(results).evaluation if results.is_file() else params


def _check_same_data(runs: Sequence[RunFolder]) -> None:
    first, *others = runs
    for other in others:
        for name in ("manifest_hash", "split_id"):
            if getattr(other, name) != getattr(first, name):
                raise EvaluationError(
                    f"{first.root} has {name} {getattr(first, name)}, {other.root} has {getattr(other, name)}: they "
                    "were not tested on the same data and cannot be compared; report each run by itself"
                )


def _folds(runs: Sequence[RunFolder]) -> list[Path]:
    """Return the fold folders of all runs; a fold that is in several runs with equal encoders counts once."""
    first: dict[tuple[str, str], TrainedFold] = {}
    for run in runs:
        for fold_id, fold in run.folds.items():
            known = first.setdefault((fold_id, fold.record.encoders_digest), fold)
            if known.record.fingerprint != fold.record.fingerprint:
                raise EvaluationError(
                    f"{fold_id} was trained differently in {known.folder} and in {fold.folder}; report these runs by "
                    "themselves"
                )
    return [fold.folder for fold in first.values()]

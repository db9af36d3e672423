"""The report of finished runs, again or together: nothing is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.params import EvaluationParams
from merflow.contracts.presets import UserPresets
from merflow.errors import EvaluationError
from merflow.evaluation.results import read_results
from merflow.jobs.evaluate import evaluate
from merflow.runs.run_folder import RESULTS, RunFolder, read_run


def report(
    runs: Sequence[Path],
    *,
    out: Path | None,
    command: str,
    params: EvaluationParams,
    manifest: Path | None = None,
    splits: Path | None = None,
    name: str | None = None,
    user_presets: UserPresets | None = None,
) -> tuple[dict[str, Any], Path]:
    """Computes every figure of one or more finished runs and writes results, report and tables.

    Args:
        runs: Folders that a benchmark or a pipeline left.
        out: Where ``results.json``, ``report.html`` and the tables go; None for the run's own folder.
        command: Printed in the report where the runs do not say what was run.
        params: Bootstrap and calibration.
        manifest: That all folds were trained on; None looks for it in the runs.
        splits: Likewise.
        name: Title; None for the runs' names.
        user_presets: Presets of one's own (``presets.user_presets``) that the runs trained.

    Returns:
        The content of ``results.json``, and the report's path.

    Raises:
        EvaluationError: A run has no finished fold, lacks folds, or is of other data than another.
        PresetError: A variant is neither a paper's nor one's own.
        OutputError: ``out`` cannot be written.
    """
    found = [read_run(folder) for folder in runs]
    if len(found) > 1 and out is None:
        raise EvaluationError("several runs have no folder in common; say with --out where their report goes")
    _comparable(found)
    first = found[0]
    place = out or first.root
    commands = [run.command for run in found if run.command]
    results = evaluate(
        list(_together(found).values()),
        manifest=manifest or first.manifest(),
        splits=splits or first.splits(),
        results=place / RESULTS,
        report=place / "report.html",
        name=name or " and ".join(run.name for run in found),
        command="\n".join([*commands, *([command] if len(found) > 1 or not commands else [])]),
        params=params,
        user_presets=user_presets,
    )
    return results, place / "report.html"


def own_params(run: Path, params: EvaluationParams) -> EvaluationParams:
    """The run's own bootstrap and calibration where its ``results.json`` says: its numbers stay as they are."""
    results = run / RESULTS
    recorded = read_results(results, keys=["evaluation"])["evaluation"] if results.is_file() else {}
    return params.model_copy(update={key: value for key, value in recorded.items() if key in type(params).model_fields})


def _comparable(runs: Sequence[RunFolder]) -> None:
    first, *others = runs
    for other in others:
        for what in ("manifest_hash", "split_id"):
            if getattr(other, what) != getattr(first, what):
                raise EvaluationError(
                    f"{first.root} has {what} {getattr(first, what)}, {other.root} has {getattr(other, what)}: "
                    "they were not tested on the same data and are not compared; report each alone"
                )


def _together(runs: Sequence[RunFolder]) -> dict[str, Path]:
    """Item -> folder; the same training in two runs counts once."""
    found: dict[str, Path] = {}
    prints: dict[str, str] = {}
    for run in runs:
        for item, fold in run.folds.items():
            folder, fingerprint = fold.folder, fold.record.fingerprint
            if prints.setdefault(item, fingerprint) != fingerprint:
                raise EvaluationError(
                    f"{item} was trained differently in {found[item]} and in {folder}; report these runs apart"
                )
            found.setdefault(item, folder)
    return found

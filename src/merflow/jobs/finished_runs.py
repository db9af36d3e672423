"""Finished runs by their folders: which trained folds are in them, what tells them apart, which manifest is theirs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.contracts.errors import EvaluationError
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.jobs import folds

# Where a benchmark keeps its manifest, and a pipeline its artifact of it.
_MANIFESTS = ("manifest.parquet", "kfp/**/transcribed")
# MLflow's copies of folds' files are no folds.
_COPIES = "mlartifacts"
# A fold's folder lies at most so far below that of its benchmark: folds/model/preset/fold.
_LEVELS = 4


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: As it was given; of folds that were given one by one, the folder that they are in.
        label: What tells its folder from the other runs'.
        folds: Folders of its trained folds, sorted.
        facts: Of each fold, as :func:`merflow.jobs.folds.read_facts` gives them.
    """

    folder: Path
    label: str
    folds: tuple[Path, ...]
    facts: tuple[dict[str, Any], ...]


def read_runs(folders: Sequence[Path]) -> tuple[Run, ...]:
    """The runs in these folders; folds that were given one by one are one run where they lie side by side.

    Raises:
        EvaluationError: A folder holds no trained fold, one is given twice, or one holds a fold twice.
    """
    by_run: dict[Path, list[Path]] = defaultdict(list)
    owners: dict[Path, Path] = {}
    for folder in folders:
        run = (folder if folder.name else folder.resolve()).parent if (folder / folds.FACTS).is_file() else folder
        for fold in _folds_in(folder):
            if fold.resolve() in owners:
                raise EvaluationError(
                    f"{fold} is given twice, in {owners[fold.resolve()]} and in {folder}; give every run once"
                )
            owners[fold.resolve()] = folder
            by_run[run].append(fold)
    runs = []
    for (run, found), label in zip(by_run.items(), _labels(list(by_run)), strict=True):
        once = _once(run, found)
        runs.append(Run(run, label, tuple(once), tuple(once.values())))
    return tuple(runs)


def manifest_of(runs: Sequence[Run], *, manifest_hash: str) -> Manifest:
    """The manifest of that version, from the first run that keeps it.

    Raises:
        EvaluationError: None of them does.
    """
    for run in runs:
        place = run.folder.resolve()
        for above in (place, *place.parents[:_LEVELS]):
            for path in (path for pattern in _MANIFESTS for path in sorted(above.glob(pattern))):
                manifest = read_manifest(path)
                if manifest.hash == manifest_hash:
                    return manifest
    raise EvaluationError(
        f"no manifest of version {manifest_hash} in or above {', '.join(str(run.folder) for run in runs)}; "
        "pass the one that they were trained on with --manifest"
    )


def _folds_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise EvaluationError(f"no such folder: {folder}; give the folder of a benchmark, or of a trained fold")
    if (folder / folds.FACTS).is_file():
        return [folder]
    files = [file for file in sorted(folder.rglob(folds.FACTS)) if _COPIES not in file.relative_to(folder).parts]
    if not files:
        raise EvaluationError(
            f"{folder} holds no trained fold: no {folds.FACTS} in it or below it; give the folder of a finished "
            "benchmark, or of a trained fold"
        )
    return [file.parent for file in files]


def _once(folder: Path, found: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """The folds with their facts; a pipeline that ran twice keeps what it reused twice."""
    kept: dict[Path, dict[str, Any]] = {}
    first: dict[tuple[str, int, int], Path] = {}
    for fold in found:
        facts = folds.read_facts(fold)
        other = first.setdefault((facts["variant"], facts["fold"], facts["seed"]), fold)
        if other is fold:
            kept[fold] = facts
        elif kept[other]["fingerprint"] != facts["fingerprint"]:
            raise EvaluationError(
                f"{folder} holds fold {facts['fold']} (seed {facts['seed']}) of {facts['variant']} from two trainings, "
                f"{other} and {fold}; give the folders of the folds that you mean"
            )
    return kept


def _labels(folders: Sequence[Path]) -> list[str]:
    """Of each folder the part of its path in which it differs from the others."""
    parts = [folder.resolve().parts for folder in folders]
    shortest = min(map(len, parts), default=0)
    head = next((i for i in range(shortest) if len({path[i] for path in parts}) > 1), shortest)
    tail = next((i for i in range(shortest - head) if len({path[-1 - i] for path in parts}) > 1), shortest - head)
    return ["/".join(path[head : len(path) - tail]) or path[-1] for path in parts]

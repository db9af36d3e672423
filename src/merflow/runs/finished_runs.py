"""Several finished runs, given by their folders or by those of their folds, each with a label that tells it apart.

:mod:`merflow.runs.run_folder` reads one run.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.errors import EvaluationError
from merflow.runs.fold_folder import is_fold
from merflow.runs.run_folder import TrainedFold, read_run


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Its folder as given; the common parent of folds that were given one by one.
        label: The part of its path that differs from the other runs' paths.
        folds: Its trained folds, sorted by folder.
    """

    folder: Path
    label: str
    folds: tuple[TrainedFold, ...]


def read_runs(folders: Sequence[Path]) -> tuple[Run, ...]:
    """Read the runs in these folders; folds that were given one by one are one run if they are in the same folder.

    Raises:
        EvaluationError: A folder contains no trained fold, or a fold is given twice.
        FormatError: Another version of merflow trained a fold.
    """
    by_run: dict[Path, list[TrainedFold]] = defaultdict(list)
    owners: dict[Path, Path] = {}
    for folder in folders:
        run = (folder if folder.name else folder.resolve()).parent if is_fold(folder) else folder
        for fold in read_run(folder).folds.values():
            location = fold.folder.resolve()
            if location in owners:
                raise EvaluationError(
                    f"{fold.folder} is given twice, in {owners[location]} and in {folder}; give every run once"
                )
            owners[location] = folder
            by_run[run].append(fold)
    labels = _labels(list(by_run))
    return tuple(Run(run, label, tuple(folds)) for (run, folds), label in zip(by_run.items(), labels, strict=True))


def _labels(folders: Sequence[Path]) -> list[str]:
    """Return the part of each folder's path in which it differs from the others."""
    parts = [folder.resolve().parts for folder in folders]
    shortest = min(map(len, parts), default=0)
    head = next((i for i in range(shortest) if len({path[i] for path in parts}) > 1), shortest)
    tail = next((i for i in range(shortest - head) if len({path[-1 - i] for path in parts}) > 1), shortest - head)
    return ["/".join(path[head : len(path) - tail]) or path[-1] for path in parts]

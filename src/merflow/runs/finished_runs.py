"""Several finished runs by their folders, or by those of their folds: what tells them apart.

What one run left is read in :mod:`merflow.runs.run_folder`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.errors import EvaluationError
from merflow.runs import fold_folder
from merflow.runs.run_folder import read_run


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: As it was given; of folds that were given one by one, the folder that they are in.
        label: What tells its folder from the other runs'.
        folds: Folders of its trained folds, sorted.
        facts: Of each fold, as :func:`merflow.runs.fold_folder.read_facts` gives them.
    """

    folder: Path
    label: str
    folds: tuple[Path, ...]
    facts: tuple[dict[str, Any], ...]


def read_runs(folders: Sequence[Path]) -> tuple[Run, ...]:
    """The runs in these folders; folds that were given one by one are one run where they lie side by side.

    Raises:
        EvaluationError: A folder holds no trained fold, or one is given twice.
    """
    by_run: dict[Path, dict[Path, dict[str, Any]]] = defaultdict(dict)
    owners: dict[Path, Path] = {}
    for folder in folders:
        found = read_run(folder)
        alone = (folder / fold_folder.FACTS).is_file()
        run = (folder if folder.name else folder.resolve()).parent if alone else folder
        for item, fold in found.folds.items():
            if fold.resolve() in owners:
                raise EvaluationError(
                    f"{fold} is given twice, in {owners[fold.resolve()]} and in {folder}; give every run once"
                )
            owners[fold.resolve()] = folder
            by_run[run][fold] = found.facts[item]
    return tuple(
        Run(run, label, tuple(facts), tuple(facts.values()))
        for (run, facts), label in zip(by_run.items(), _labels(list(by_run)), strict=True)
    )


def _labels(folders: Sequence[Path]) -> list[str]:
    """Of each folder the part of its path in which it differs from the others."""
    parts = [folder.resolve().parts for folder in folders]
    shortest = min(map(len, parts), default=0)
    head = next((i for i in range(shortest) if len({path[i] for path in parts}) > 1), shortest)
    tail = next((i for i in range(shortest - head) if len({path[-1 - i] for path in parts}) > 1), shortest - head)
    return ["/".join(path[head : len(path) - tail]) or path[-1] for path in parts]

"""Trials of a study: each trains its folds with the usual training loop, using development data only."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from merflow.contracts.tracker import NullTracker
from merflow.folds.datasets import FoldDatasets
from merflow.folds.fit import fit
from merflow.tuning.objective import Judge, most_epochs
from merflow.tuning.search import Search
from merflow.tuning.worker import Attempt


@dataclass(frozen=True, eq=False)
class Trials:
    """The objective: trains each fold with a trial's values. Stored features are opened once for all trials.

    Attributes:
        checkpoints: Folder of unfinished trials.
    """

    search: Search
    checkpoints: Path

    @cached_property
    def datasets(self) -> list[FoldDatasets]:
        """Datasets of each fold."""
        return [FoldDatasets(inputs) for inputs in self.search.folds]

    def __call__(self, attempt: Attempt) -> float:
        """Return the mean development figure over the folds.

        Raises:
            TrialPruned: The trial must stop; its checkpoints are removed.
            TrainingError: A fold cannot be trained, or diverged.
        """
        preset = self.search.space.applied(attempt.values)
        judge = Judge(
            attempt, preset.recipes, most_epochs(preset.recipes, self.search.training), self.search.first.task
        )
        folder = self.checkpoints / f"trial-{attempt.number}"
        with _removed_unless_interrupted(folder):
            for inputs, datasets in zip(self.search.folds, self.datasets, strict=True):
                _, trained = fit(
                    replace(inputs, preset=preset),
                    datasets,
                    folder=folder / f"fold-{inputs.fold}",
                    tracker=NullTracker(),
                    progress=lambda epoch, _, figures: judge.epoch(epoch, figures),
                )
                judge.fold_done(inputs.fold, trained.history)
        return judge.verdict


@contextmanager
def _removed_unless_interrupted(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)

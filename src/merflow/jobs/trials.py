"""Trains the trials of a study, with the loop that trains every fold, and on development data alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from merflow.contracts.tracker import NullTracker
from merflow.folds.datasets import FoldDatasets
from merflow.folds.fit import fit
from merflow.jobs.study_tracking import study_run, trial_facts
from merflow.runs.data import Data
from merflow.tuning.objective import Judge, most_epochs
from merflow.tuning.outcome import TrialRow
from merflow.tuning.search import Search
from merflow.tuning.study import database_errors, open_study
from merflow.tuning.worker import Attempt, work


def try_values(
    search: Path,
    data: Data,
    *,
    checkpoints: Path,
    run: Path | None = None,
    worker: int = 0,
    password: str | None = None,
) -> int:
    """Works on a study until it has its number of finished trials; returns how many were tried here.

    Any number of these calls may work on one study. One that is killed loses what its running trial has not written
    as a checkpoint yet: the trial is tried again, here or elsewhere, and goes on where the checkpoint is found.

    Args:
        search: What :func:`merflow.jobs.tune.open_search` wrote.
        data: The files that it was opened with.
        checkpoints: Folder of unfinished trials.
        run: File of the study's run in MLflow; None tracks nothing.
        worker: Tells apart workers of one study.
        password: Of the study's database, as for :class:`merflow.tuning.study.StudyPlace`.

    Raises:
        TuningError: The study cannot be reached, or is of something else.
        TrainingError: A fold cannot be trained.
    """
    opened = Search.load(search, data, password=password)
    study = open_study(opened.place, facts=opened.facts, params=opened.params)
    tracked = None if run is None else study_run(run)
    with database_errors(opened.place):
        return work(
            study,
            Trials(opened, checkpoints),
            space=opened.space,
            params=opened.params,
            worker=worker,
            lock=opened.place.lock,
            ended=None if tracked is None else lambda trial: tracked.log_trial(trial_facts(TrialRow.of(trial))),
        )


@dataclass(frozen=True, eq=False)
class Trials:
    """The objective: trains each fold with a trial's values. Stored features are opened once for all trials."""

    search: Search
    checkpoints: Path

    @cached_property
    def datasets(self) -> list[FoldDatasets]:
        """Datasets of each fold."""
        return [FoldDatasets(inputs) for inputs in self.search.folds]

    def __call__(self, attempt: Attempt) -> float:
        """The mean development UA over the folds.

        Raises:
            TrialPruned: The trial must stop; its checkpoints are gone.
            TrainingError: A fold cannot be trained, or diverged.
        """
        preset = self.search.space.applied(attempt.values)
        judge = Judge(attempt, preset.recipes, most_epochs(preset.recipes, self.search.training))
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
                judge.fold_done(inputs.fold, trained.history.best.dev_ua)
        return judge.verdict


@contextmanager
def _removed_unless_interrupted(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)

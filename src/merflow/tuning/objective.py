"""Objective of a trial: the mean development UA over some folds, each at the epoch that training itself chooses.

A trial never opens a fold's test data. But the development speakers of one fold are test speakers of another, so the
pooled test figures of all folds are not strictly independent of a search. Strictly independent are the figures of
speakers who are in the development part of none of the folds that were tuned on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from merflow.contracts.history import EpochFigures
from merflow.contracts.params import TrainingParams
from merflow.contracts.recipe import Recipe
from merflow.training.history import FoldHistory
from merflow.tuning.worker import Attempt

OBJECTIVE = "mean development UA"


@dataclass
class Judge:
    """Follows the folds of one trial, epoch by epoch, and reports to the study.

    The figure at each step is the mean over the finished folds and the fold in training, the latter at its best epoch
    so far. The same step is the same epoch of the same fold in every trial.

    Attributes:
        recipes: Recipes of the trained stages.
        epochs: Maximum number of epochs of a fold.
    """

    attempt: Attempt
    recipes: Sequence[Recipe]
    epochs: int
    _done: dict[int, float] = field(default_factory=dict)
    _history: FoldHistory = field(default_factory=FoldHistory)

    def epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Report the figures of the next epoch of the fold in training.

        Raises:
            TrialPruned: The trial must stop.
        """
        history = self._history
        if figures["stage"] > history.stage:
            history = history.next_stage()
        row = EpochFigures(**{"epoch": epoch, **figures})  # type: ignore[arg-type]
        self._history = history.with_epoch(row, recipe=self.recipes[history.stage - 1])
        step = len(self._done) * self.epochs + epoch
        self.attempt.report(fmean([*self._done.values(), self._history.best.dev_ua]), step=step)

    def fold_done(self, fold: int, dev_ua: float) -> None:
        """Store the figure of a finished fold."""
        self._done[fold] = dev_ua
        self._history = FoldHistory()
        self.attempt.note({str(name): value for name, value in self._done.items()})

    @property
    def verdict(self) -> float:
        """The mean over all folds."""
        return fmean(self._done.values())


def most_epochs(recipes: Sequence[Recipe], params: TrainingParams) -> int:
    """Return the maximum number of epochs of a fold."""
    return sum(min(recipe.max_epochs, params.max_epochs or recipe.max_epochs) for recipe in recipes)

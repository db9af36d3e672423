"""Objective of a trial: the mean development figure over some folds, each at the epoch that training itself chooses.

The figure is UA for classes and concordance correlation (CCC) for scores. Like UA, CCC is better if higher, and at most
1; a low error alone would also reward a model that always predicts the mean.

A trial never opens a fold's test data. But the development speakers of one fold are test speakers of another, so the
pooled test figures of all folds are not strictly independent of a search. Only the figures of speakers who are in no
development part of the tuned folds are strictly independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from merflow.contracts.history import EpochFigures
from merflow.contracts.params import TrainingParams
from merflow.contracts.recipe import Recipe
from merflow.contracts.task import Classification, Task
from merflow.training.history import FoldHistory
from merflow.tuning.worker import Attempt


def figure_of(task: Task) -> str:
    """Return the name of the figure that is maximized."""
    return "UA" if isinstance(task, Classification) else "CCC"


def objective_of(task: Task) -> str:
    """Return the objective in words."""
    return f"mean development {figure_of(task)}"


@dataclass
class Judge:
    """Tracks the folds of one trial, epoch by epoch, and reports to the study.

    The figure at each step is the mean over the finished folds and the current fold at its best epoch so far. A step is
    the same epoch of the same fold in every trial.

    Attributes:
        recipes: Recipes of the trained stages.
        epochs: Maximum number of epochs of a fold.
        task: The task, which decides the figure.
    """

    attempt: Attempt
    recipes: Sequence[Recipe]
    epochs: int
    task: Task
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
        row = EpochFigures.of_row({"epoch": epoch, **figures})
        self._history = history.with_epoch(row, recipe=self.recipes[history.stage - 1])
        step = len(self._done) * self.epochs + epoch
        self.attempt.report(fmean([*self._done.values(), self._figure(self._history)]), step=step)

    def fold_done(self, fold: int, history: FoldHistory) -> None:
        """Store the figure of a finished fold."""
        self._done[fold] = self._figure(history)
        self._history = FoldHistory()
        self.attempt.note({str(name): value for name, value in self._done.items()})

    def _figure(self, history: FoldHistory) -> float:
        return history.best.development[f"dev_{figure_of(self.task).lower()}"]

    @property
    def verdict(self) -> float:
        """The mean over all folds."""
        return fmean(self._done.values())


def most_epochs(recipes: Sequence[Recipe], params: TrainingParams) -> int:
    """Return the maximum number of epochs of a fold."""
    return sum(min(recipe.max_epochs, params.max_epochs or recipe.max_epochs) for recipe in recipes)

"""What a trial is judged by: the mean development UA over some folds, each at the epoch that training itself chooses.

A fold's test data have no part in it: whoever trains the folds for it opens none. But development speakers of one fold
are test speakers of another, so that test figures of all folds together are not wholly untouched by a search. Strictly
untouched are those of speakers who were in the development part of no fold that was tuned on.
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
    """Follows the folds of one trial, epoch by epoch, and tells the study.

    The figure at every step is the mean over the folds so far: of those that are done, and of the one in training at
    its best epoch so far. Steps are counted so that the same step is the same epoch of the same fold in every trial.

    Attributes:
        recipes: Of the trained stages.
        epochs: Most that a fold can have.
    """

    attempt: Attempt
    recipes: Sequence[Recipe]
    epochs: int
    _done: dict[int, float] = field(default_factory=dict)
    _history: FoldHistory = field(default_factory=FoldHistory)

    def epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Takes the figures of one more epoch of the fold in training.

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
        """Takes the figure of a finished fold."""
        self._done[fold] = dev_ua
        self._history = FoldHistory()
        self.attempt.note({str(name): value for name, value in self._done.items()})

    @property
    def verdict(self) -> float:
        """The objective, of all folds."""
        return fmean(self._done.values())


def most_epochs(recipes: Sequence[Recipe], params: TrainingParams) -> int:
    """How many epochs a fold can have at most."""
    return sum(min(recipe.max_epochs, params.max_epochs or recipe.max_epochs) for recipe in recipes)

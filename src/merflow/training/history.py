"""Metrics of every epoch of a fold, and the selected epoch."""

from dataclasses import dataclass
from typing import Any

from merflow.contracts.history import EpochFigures
from merflow.contracts.recipe import Recipe

_HIGHER_IS_BETTER = ("dev_ua", "dev_ccc")


@dataclass(frozen=True)
class FoldHistory:
    """All epochs of a fold.

    Attributes:
        epochs: Figures of all epochs, first epoch first.
        best_epoch: The selected epoch of all stages; the model ends up with its weights. 0 before the first.
        stage: Number of the current stage, counted from 1.
    """

    epochs: tuple[EpochFigures, ...] = ()
    best_epoch: int = 0
    stage: int = 1

    @property
    def best(self) -> EpochFigures:
        """Metrics of the selected epoch."""
        assert self.best_epoch, "no epoch yet"
        return self.epochs[self.best_epoch - 1]

    @property
    def before(self) -> int:
        """Number of epochs in the stages before the current one."""
        return sum(figures.stage < self.stage for figures in self.epochs)

    def with_epoch(self, figures: EpochFigures, *, recipe: Recipe) -> "FoldHistory":
        """Return the history with one more epoch, which is selected if it beats the best so far, of whatever stage.

        Epochs are compared by the monitor of the current stage. In a tie, the earlier epoch stays selected. Without
        development utterances there is nothing to compare, and the last epoch is selected.
        """
        compared = self.best_epoch and figures.has_development
        better = not compared or _score(figures, recipe) > _score(self.best, recipe)
        best_epoch = figures.epoch if better else self.best_epoch
        return FoldHistory((*self.epochs, figures), best_epoch, self.stage)

    def finished(self, *, recipe: Recipe, max_epochs: int) -> bool:
        """Return True if the stage has reached its last epoch or has run out of patience."""
        done = len(self.epochs)
        waited = done - max(self.best_epoch, self.before)
        return done - self.before >= max_epochs or (
            recipe.patience_epochs is not None and waited >= recipe.patience_epochs
        )

    def next_stage(self) -> "FoldHistory":
        """Return the history at the start of the next stage, whose epochs have to beat the best so far."""
        return FoldHistory(self.epochs, self.best_epoch, self.stage + 1)

    def rows(self) -> list[dict[str, Any]]:
        """Return one JSON object per epoch, first epoch first."""
        return [epoch.row for epoch in self.epochs]


def _score(figures: EpochFigures, recipe: Recipe) -> float:
    figure = figures.monitored(recipe.monitor)
    return figure if recipe.monitor in _HIGHER_IS_BETTER else -figure

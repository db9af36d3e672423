"""What happened in each epoch of a fold, and which epoch was chosen."""

from dataclasses import dataclass
from typing import Any

from merflow.contracts.history import EpochFigures
from merflow.contracts.recipe import Recipe


@dataclass(frozen=True)
class FoldHistory:
    """All epochs of a fold.

    Attributes:
        best_epoch: The chosen one of the current stage; the model's weights are those after it. 0 before the first.
        stage: The current one, counted from 1.
    """

    epochs: tuple[EpochFigures, ...] = ()
    best_epoch: int = 0
    stage: int = 1

    @property
    def best(self) -> EpochFigures:
        """Figures of the chosen epoch."""
        assert self.best_epoch, "no epoch yet"
        return self.epochs[self.best_epoch - 1]

    @property
    def before(self) -> int:
        """Epochs of the stages before."""
        return sum(figures.stage < self.stage for figures in self.epochs)

    def with_epoch(self, figures: EpochFigures, *, recipe: Recipe) -> "FoldHistory":
        """One more epoch; it is chosen if it is better than the stage's best before. Of equals the earlier stays."""
        better = not self.best_epoch or _score(figures, recipe) > _score(self.best, recipe)
        best_epoch = figures.epoch if better else self.best_epoch
        return FoldHistory((*self.epochs, figures), best_epoch, self.stage)

    def finished(self, *, recipe: Recipe, max_epochs: int) -> bool:
        """Whether the stage's last epoch is reached or patience has run out."""
        done = len(self.epochs)
        waited = done - max(self.best_epoch, self.before)
        return done - self.before >= max_epochs or (
            recipe.patience_epochs is not None and waited >= recipe.patience_epochs
        )

    def next_stage(self) -> "FoldHistory":
        """At the beginning of the stage after this one, which chooses among its own epochs."""
        return FoldHistory(self.epochs, 0, self.stage + 1)

    def rows(self) -> list[dict[str, Any]]:
        """The figures of every epoch by name, first epoch first."""
        return [epoch.row for epoch in self.epochs]


def _score(figures: EpochFigures, recipe: Recipe) -> float:
    return figures.dev_ua if recipe.monitor == "dev_ua" else -figures.dev_loss

"""What happened in each epoch of a fold, and which epoch was chosen."""

from dataclasses import asdict, dataclass
from typing import Any

from merflow.contracts.params import Recipe


@dataclass(frozen=True)
class EpochFigures:
    """Figures of one epoch, counted from 1.

    Attributes:
        train_loss: Mean over training utterances, as seen while the weights moved.
        dev_loss: Mean over development utterances after the epoch.
        dev_ua: Mean recall, 0 to 1.
        dev_wa: Accuracy, 0 to 1.
        lr: Learning rate of the first parameter group.
        seconds: Wall time; the one figure that differs between equal runs.
    """

    epoch: int
    train_loss: float
    dev_loss: float
    dev_ua: float
    dev_wa: float
    lr: float
    seconds: float

    @property
    def figures(self) -> dict[str, float]:
        """All but the epoch's number."""
        return {name: value for name, value in asdict(self).items() if name != "epoch"}


@dataclass(frozen=True)
class FoldHistory:
    """All epochs of a fold.

    Attributes:
        best_epoch: The chosen one; the model's weights are those after it. 0 before the first.
    """

    epochs: tuple[EpochFigures, ...] = ()
    best_epoch: int = 0

    @property
    def best(self) -> EpochFigures:
        """Figures of the chosen epoch."""
        assert self.best_epoch, "no epoch yet"
        return self.epochs[self.best_epoch - 1]

    def with_epoch(self, figures: EpochFigures, *, recipe: Recipe) -> "FoldHistory":
        """One more epoch; it is chosen if it is better than the best before. Of equals the earlier stays."""
        better = not self.best_epoch or _score(figures, recipe) > _score(self.best, recipe)
        return FoldHistory((*self.epochs, figures), figures.epoch if better else self.best_epoch)

    def finished(self, *, recipe: Recipe, max_epochs: int) -> bool:
        """Whether the last epoch is reached or patience has run out."""
        done = len(self.epochs)
        return done >= max_epochs or (
            recipe.patience_epochs is not None and done - self.best_epoch >= recipe.patience_epochs
        )

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object an epoch, first epoch first."""
        return [asdict(figures) for figures in self.epochs]


def _score(figures: EpochFigures, recipe: Recipe) -> float:
    return figures.dev_ua if recipe.monitor == "dev_ua" else -figures.dev_loss

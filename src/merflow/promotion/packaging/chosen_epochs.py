"""The number of epochs of a refit on all data, derived from the epochs chosen on the folds' development data.

A refit has no development data left. For each stage, take the number of epochs behind the final weights of each fold
and seed; the refit trains for the median. A fold's second stage starts from the best epoch of the first: later epochs
of the first stage left no trace, so they are not counted. If a fold's second stage improved nothing, it counts as 0; if
that holds for most folds, the refit has no second stage.
"""

from collections.abc import Sequence
from statistics import median

from merflow.contracts.history import EpochFigures, read_history
from merflow.contracts.recipe import Recipe
from merflow.errors import PromotionError
from merflow.runs.run_folder import TrainedFold
from merflow.training.history import FoldHistory


def stage_epochs(folds: Sequence[TrainedFold]) -> tuple[int, ...]:
    """Return the number of epochs of each stage of a refit; a median that ends in .5 is rounded up.

    Raises:
        PromotionError: A fold's history does not lead to its chosen epoch.
        FormatError: A fold has no history, or a damaged one.
    """
    counted = [epochs_of(fold) for fold in folds]
    return tuple(int(median(of_stage) + 0.5) for of_stage in zip(*counted, strict=True))


def epochs_of(fold: TrainedFold) -> tuple[int, ...]:
    """Return the number of epochs of each stage behind the fold's final weights.

    Raises:
        PromotionError: The fold's history does not lead to its chosen epoch.
        FormatError: The fold has no history, or a damaged one.
    """
    record = fold.record
    history = read_history(fold.folder)
    if _best_after(history, record.recipes)[-1] != record.chosen.epoch:
        raise PromotionError(
            f"{fold.folder}: the history does not lead to the chosen epoch {record.chosen.epoch}; train the fold again"
        )
    return passed_epochs(history, record.recipes)


def passed_epochs(history: Sequence[EpochFigures], recipes: Sequence[Recipe]) -> tuple[int, ...]:
    """Return the number of epochs of each stage behind the weights of the chosen epoch."""
    best_after = _best_after(history, recipes)
    passed = [0] * len(recipes)
    stage = len(recipes)
    while stage:
        best = history[best_after[stage - 1] - 1]
        before = sum(epoch.stage < best.stage for epoch in history)
        passed[best.stage - 1] = best.epoch - before
        stage = best.stage - 1
    return tuple(passed)


def _best_after(history: Sequence[EpochFigures], recipes: Sequence[Recipe]) -> list[int]:
    """Return the epoch that was the chosen one at the end of each stage, by the same rule as in training."""
    state, best = FoldHistory(), []
    for stage, recipe in enumerate(recipes, start=1):
        for figures in history:
            if figures.stage == stage:
                state = state.with_epoch(figures, recipe=recipe)
        best.append(state.best_epoch)
        state = state.next_stage()
    return best

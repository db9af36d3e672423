"""Learning rates over the epochs of a stage."""

import torch

from merflow.contracts.recipe import Recipe


def lr_factor(recipe: Recipe, *, epoch: int, max_epochs: int) -> float:
    """Return the factor that scales the recipe's learning rates in this epoch of the stage, counted from 1."""
    if recipe.schedule == "tenth-after-half" and epoch > max_epochs / 2:
        return 0.1
    return 1.0


def set_lr(optimizer: torch.optim.Optimizer, recipe: Recipe, *, epoch: int, max_epochs: int) -> None:
    """Set the learning rate of every parameter group.

    The rate follows from the group's first rate and the epoch alone, so the schedule has no state to save.
    """
    factor = lr_factor(recipe, epoch=epoch, max_epochs=max_epochs)
    for group in optimizer.param_groups:
        group["lr"] = group["first_lr"] * factor

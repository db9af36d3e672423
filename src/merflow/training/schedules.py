"""Learning rates over a stage's epochs."""

import torch

from merflow.contracts.recipe import Recipe


def lr_factor(recipe: Recipe, *, epoch: int, max_epochs: int) -> float:
    """What the recipe's learning rates are multiplied by in an epoch of the stage, counted from 1."""
    if recipe.schedule == "tenth-after-half" and epoch > max_epochs / 2:
        return 0.1
    return 1.0


def set_lr(optimizer: torch.optim.Optimizer, recipe: Recipe, *, epoch: int, max_epochs: int) -> None:
    """Sets every parameter group's rate from its own first one; the epoch decides, so there is no state to keep."""
    factor = lr_factor(recipe, epoch=epoch, max_epochs=max_epochs)
    for group in optimizer.param_groups:
        group["lr"] = group["first_lr"] * factor

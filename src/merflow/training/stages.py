"""Stages of a fold's training. Each has its own recipe, model and data."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from merflow.contracts.recipe import Recipe
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.task import Task


@dataclass(frozen=True)
class Material:
    """Model and data of one stage.

    Attributes:
        model: Called on the batches of the sources; returns an ``Output``. The stage learns its state dict.
        task: The task of the labels.
        train: Labeled utterances to train on.
        dev: Labeled utterances on which the epoch is selected; None if the number of epochs is fixed.
        test: Labeled utterances only for the shadow selection (``training.shadow``); None to leave it out.
    """

    model: nn.Module
    task: Task
    train: UtteranceSource
    dev: UtteranceSource | None
    test: UtteranceSource | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        recipe: Optimization and stopping rule.
        open: Returns the stage's material when the stage begins or is resumed. The model of a later stage contains the
            modules of the stage before, so that it starts from that stage's best weights.
        epochs: Number of epochs, fixed in advance; learning rates are scheduled as if the stage continued to its
            recipe's last epoch. None to stop by the recipe's rule.
    """

    recipe: Recipe
    open: Callable[[], Material]
    epochs: int | None = None

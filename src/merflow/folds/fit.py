"""Training of a fresh model through its stages, for a benchmark's fold or for a trial of tuning."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from merflow.contracts.recipe import Recipe
from merflow.contracts.tracker import Tracker
from merflow.features.batches.standardize import Standardizer
from merflow.folds.datasets import FoldDatasets
from merflow.folds.inputs import FoldInputs
from merflow.inference.encoded import EncodedModel
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.inference.ranks import ALONE, Ranks
from merflow.models import MODELS
from merflow.training.loop import EpochProgress, TrainedFold, train_fold
from merflow.training.stages import Material, Stage


def fit(
    inputs: FoldInputs,
    datasets: FoldDatasets,
    *,
    folder: Path,
    tracker: Tracker,
    progress: EpochProgress,
    ranks: Ranks = ALONE,
) -> tuple[nn.Module, TrainedFold]:
    """Train a fresh model on the fold's training part, and select the epoch on its development part.

    Only the shadow selection opens the test part. A refit has only a training part, and keeps its last epoch.

    Args:
        inputs: The fold.
        datasets: Its datasets.
        folder: Folder of the checkpoint, from which the call resumes.
        tracker: Receives each epoch's metrics.
        progress: Called after each epoch; an exception that it raises ends the training.
        ranks: The processes that train the fold together.
    """
    torch.manual_seed(inputs.seed)
    model = MODELS[inputs.preset.model].model(inputs.config, shapes=datasets.shapes, task=inputs.task)
    stages = _stages(inputs, model=model, datasets=datasets)
    trained = train_fold(
        stages,
        seed=inputs.seed,
        params=inputs.params,
        folder=folder,
        tracker=tracker,
        progress=progress,
        ranks=ranks,
    )
    return model, trained


def _stages(inputs: FoldInputs, *, model: nn.Module, datasets: FoldDatasets) -> list[Stage]:
    """Return the fold's stages, all of one model; encoders are loaded when their stage begins."""
    shadowed = inputs.params.shadow_selection == "none-paper"

    def opened(recipe: Recipe) -> Material:
        return Material(
            _learner(inputs, recipe, model=model, standardizer=datasets.standardizer),
            inputs.task,
            train=datasets.part("train", recipe),
            dev=datasets.part("dev", recipe) if inputs.epochs is None else None,
            test=datasets.part("test", recipe) if shadowed else None,
        )

    epochs = inputs.epochs or (None,) * len(inputs.recipes)
    return [Stage(recipe, partial(opened, recipe), count) for recipe, count in zip(inputs.recipes, epochs, strict=True)]


def _learner(inputs: FoldInputs, recipe: Recipe, *, model: nn.Module, standardizer: Standardizer | None) -> nn.Module:
    """Return the model, behind its encoders if they are fine-tuned."""
    if recipe.policy == "frozen":
        return model
    encoders = EncodersInGraph(
        inputs.streams,
        profile=inputs.profile,
        learning=inputs.learning(recipe),
        standardizer=standardizer,
        mode=recipe.encoder_mode,
    )
    return EncodedModel(encoders, model)

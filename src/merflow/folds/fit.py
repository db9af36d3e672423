"""A fresh model trained through its stages: of a fold that is kept, and of one that a trial of tuning tries."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from merflow.contracts.recipe import Recipe
from merflow.contracts.tracker import Tracker
from merflow.features.batches.standardize import Standardizer
from merflow.folds.inputs import FoldInputs
from merflow.folds.sources import FoldSources
from merflow.inference.encoded import EncodedModel
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.inference.ranks import ALONE, Ranks
from merflow.models import MODELS
from merflow.training.loop import EpochProgress, TrainedFold, train_fold
from merflow.training.stages import Material, Stage


def fit(
    inputs: FoldInputs,
    sources: FoldSources,
    *,
    folder: Path,
    tracker: Tracker,
    progress: EpochProgress,
    ranks: Ranks = ALONE,
) -> tuple[nn.Module, TrainedFold]:
    """Trains a fresh model on the fold's training part; the epoch is chosen on its development part.

    The test part is opened where the shadow selection is asked for, and nowhere else.

    Args:
        inputs: The fold.
        sources: Its utterances.
        folder: Of the checkpoint; the call goes on from it.
        tracker: Told of each epoch's figures.
        progress: Told of each epoch; what it raises ends the training.
        ranks: The processes that train the fold together.
    """
    torch.manual_seed(inputs.seed)
    model = MODELS[inputs.preset.model].model(inputs.config, shapes=sources.shapes, classes=len(inputs.classes))
    stages = _stages(inputs, model=model, sources=sources)
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


def _stages(inputs: FoldInputs, *, model: nn.Module, sources: FoldSources) -> list[Stage]:
    """The fold's stages, all of one model; encoders are loaded when their stage begins."""
    shadowed = inputs.params.shadow_selection == "none-paper"

    def opened(recipe: Recipe) -> Material:
        return Material(
            _learner(inputs, recipe, model=model, standardizer=sources.standardizer),
            train=sources.of(recipe, "train"),
            dev=sources.of(recipe, "dev"),
            test=sources.of(recipe, "test") if shadowed else None,
        )

    return [Stage(recipe, partial(opened, recipe)) for recipe in inputs.recipes]


def _learner(inputs: FoldInputs, recipe: Recipe, *, model: nn.Module, standardizer: Standardizer) -> nn.Module:
    """The model, behind its encoders where they learn."""
    if recipe.policy == "frozen":
        return model
    encoders = EncodersInGraph(
        inputs.streams, profile=inputs.profile, learning=inputs.learning(recipe), standardizer=standardizer
    )
    return EncodedModel(encoders, model)

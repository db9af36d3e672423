"""Utterances in memory that a model can learn to classify, a model for them, and a fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import Batch
from merflow.contracts.params import TrainingParams
from merflow.contracts.recipe import Recipe
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.streams import Role, StreamShape
from merflow.contracts.tracker import NullTracker, Tracker
from merflow.inference.determinism import seed_epoch
from merflow.models import MODELS
from merflow.training.loop import EpochProgress, TrainedFold, train_fold
from merflow.training.stages import Material, Stage
from tests.models.batches import CLASSES, EMOTIONS

SEED = 3
SHAPES: Mapping[Role, StreamShape] = {
    "speech_layers": StreamShape(layers=3, width=10),
    "text_layers": StreamShape(layers=2, width=6),
}
RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "lr": 0.01,
    "weight_decay": 0.001,
    "batch_size": 16,
    "max_epochs": 10,
    "patience_epochs": None,
    "monitor": "dev_loss",
    "clip_norm": 1.0,
}
PARAMS: dict[str, Any] = {
    **{
        "device": "cpu",
        "encoders": "as-preset",
        "precision": "auto",
        "max_epochs": None,
        "threads": 1,
        "devices_per_fold": 1,
    },
    **{"resident_gib": 0.0, "resident_on": "host", "compile": "off"},
    **{"shadow_selection": "off", "modality_dropout": 0.0},
}


@dataclass(frozen=True)
class Utterances:
    """A source in memory: ``features[role][i]`` is ``(T, L, D)``."""

    features: Mapping[Role, Sequence[torch.Tensor]]
    labels: np.ndarray | None
    shapes: Mapping[Role, StreamShape]
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def lengths(self) -> np.ndarray:
        """Steps of the speech."""
        return np.array([len(values) for values in self.features["speech_layers"]], dtype=np.int64)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return utterances, padded with zeros."""
        features, present = {}, {}
        for role, sequences in self.features.items():
            chosen = [sequences[place] for place in indices]
            features[role] = nn.utils.rnn.pad_sequence(chosen, batch_first=True)
            steps = torch.tensor([len(values) for values in chosen])
            present[role] = torch.arange(features[role].shape[1]) < steps.unsqueeze(1)
        labels = None if self.labels is None else torch.from_numpy(self.labels[list(indices)])
        return Batch(features, present, labels, tuple(f"u{place}" for place in indices))


def separable(count: int, *, seed: int, noise: float = 1.0, labelled: bool = True) -> Utterances:
    """Return utterances in which class c raises speech columns c and c + 4, and text column c of the middle turn."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count,), generator=generator).numpy()
    speech, text = [], []
    for label in labels.tolist():
        steps = int(torch.randint(4, 20, (), generator=generator))
        values = noise * torch.randn(steps, 3, 10, generator=generator)
        values[..., [label, label + 4]] += 1.0
        turns = noise * torch.randn(9, 2, 6, generator=generator)
        turns[4, :, label] += 2.0
        speech.append(values)
        text.append(turns)
    features: dict[Role, Sequence[torch.Tensor]] = {"speech_layers": speech, "text_layers": text}
    return Utterances(features, labels if labelled else None, SHAPES, count)


def recipe(**changes: object) -> Recipe:
    """Return the tests' recipe with changes."""
    return Recipe.model_validate(RECIPE | changes)


def params(**changes: object) -> TrainingParams:
    """Return the tests' parameters with changes."""
    return TrainingParams.model_validate(PARAMS | changes)


def fresh_model(system: str = "mmt") -> nn.Module:
    """Return a model with the same weights at every call."""
    seed_epoch(0, epoch=0)
    entry = MODELS["context-mmt"]
    return entry.model(entry.configure({"system": system, "dropout": 0.2}), shapes=SHAPES, task=EMOTIONS)


def fold(
    model: nn.Module,
    folder: Path,
    *,
    train: UtteranceSource | None = None,
    dev: UtteranceSource | None = None,
    test: UtteranceSource | None = None,
    seed: int = SEED,
    training: TrainingParams | None = None,
    tracker: Tracker | None = None,
    progress: EpochProgress | None = None,
    later: Sequence[Mapping[str, object]] = (),
    **recipe_changes: object,
) -> TrainedFold:
    """Train the model; everything that is not given has the tests' own default.

    Args:
        model: Model of every stage.
        folder: Folder of the checkpoint.
        train: Training utterances of every stage.
        dev: Development utterances of every stage.
        test: Test utterances of every stage, for the shadow selection.
        seed: Seed of the training.
        training: Training parameters.
        tracker: Receives the figures of each epoch.
        progress: Called after each epoch.
        later: Changes of the recipe in each stage after the first.
        recipe_changes: Changes of the recipe in the first stage.
    """
    material = Material(
        model,
        EMOTIONS,
        train=separable(96, seed=1) if train is None else train,
        dev=separable(40, seed=2) if dev is None else dev,
        test=test,
    )
    return train_fold(
        [Stage(recipe(**changes), lambda: material) for changes in (recipe_changes, *later)],
        seed=seed,
        params=training or params(),
        folder=folder,
        tracker=tracker or NullTracker(),
        progress=progress,
    )

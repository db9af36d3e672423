"""A fold of random utterances for any preset, trained by one process or by several."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch
from merflow.contracts.params import Recipe, TrainingParams
from merflow.contracts.processes import in_processes
from merflow.contracts.streams import Stream
from merflow.contracts.tracker import NullTracker
from merflow.models import MODELS, ModelConfig
from merflow.presets import catalogue
from merflow.training.loop import EpochProgress, TrainedFold, train_fold
from merflow.training.parallel import ALONE, Ranks, environments, joined
from merflow.training.stages import Material, Stage
from tests.models.batches import CLASSES, SMALL, random_batch, shapes_of


@dataclass(frozen=True)
class RandomUtterances:
    """A source in memory of random features with random masks; some utterances lack a modality."""

    batch_of_all: Batch
    lengths: np.ndarray

    @classmethod
    def of(cls, streams: Sequence[Stream], count: int, *, seed: int) -> "RandomUtterances":
        """So many utterances of up to 20 steps."""
        lengths = np.random.default_rng(seed).integers(1, 21, size=count)
        batch = random_batch(streams, lengths.tolist(), seed=seed)
        for place, stream in enumerate(streams[1:], start=1):
            batch.present[stream.role][place :: 4 + place] = False
        return cls(batch, lengths)

    @property
    def labels(self) -> np.ndarray:
        """Every class in turn."""
        assert self.batch_of_all.labels is not None
        found: np.ndarray = self.batch_of_all.labels.numpy()
        return found

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Padded to the longest of each role."""
        chosen, whole = list(indices), self.batch_of_all
        assert whole.labels is not None
        steps = {role: int(mask[chosen].any(dim=0).long().cumsum(0).argmax()) for role, mask in whole.present.items()}
        return Batch(
            features={role: values[chosen, : steps[role] + 1] for role, values in whole.features.items()},
            present={role: mask[chosen, : steps[role] + 1] for role, mask in whole.present.items()},
            labels=whole.labels[chosen],
            utterance_ids=tuple(whole.utterance_ids[place] for place in chosen),
        )


def config_of(variant: str, **changes: object) -> ModelConfig:
    """Small, and with these changes."""
    preset = catalogue.preset(variant)
    return MODELS[preset.model].configure(preset.config | SMALL.get(preset.model, {}) | changes)


def model_of(variant: str, **changes: object) -> nn.Module:
    """The same weights at every call."""
    config = config_of(variant, **changes)
    torch.manual_seed(0)
    entry = MODELS[catalogue.preset(variant).model]
    return entry.model(config, shapes=shapes_of(config.streams()), classes=CLASSES)


def recipe_of(variant: str, **changes: object) -> Recipe:
    """The preset's own for stored features, with these changes."""
    frozen = {"policy": "frozen", "encoders": {}} | changes
    return Recipe.model_validate(catalogue.preset(variant).recipe.model_dump() | frozen)


def train(
    variant: str,
    folder: Path,
    *,
    params: TrainingParams,
    utterances: int = 37,
    recipe: dict[str, object] | None = None,
    config: dict[str, object] | None = None,
    progress: EpochProgress | None = None,
    ranks: Ranks = ALONE,
) -> TrainedFold:
    """Trains the variant on random utterances; the checkpoint is in the folder."""
    model = model_of(variant, **config or {})
    streams = config_of(variant, **config or {}).streams()
    parts = [RandomUtterances.of(streams, count, seed=seed) for seed, count in enumerate((utterances, 21, 13))]
    return train_fold(
        [Stage(recipe_of(variant, **recipe or {}), lambda: Material(model, *parts))],
        seed=0,
        params=params,
        folder=folder,
        tracker=NullTracker(),
        progress=progress,
        ranks=ranks,
    )


Outcome = tuple[list[dict[str, float]], dict[str, Tensor], np.ndarray]


def outcome(found: TrainedFold) -> Outcome:
    """The epochs' figures, the weights, and the test probabilities of the shadow."""
    assert found.shadow is not None
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in found.history.rows()]
    return rows, found.material.model.state_dict(), found.shadow.probabilities


def train_together(variant: str, folder: Path, *, params: TrainingParams, **settings: object) -> list[Outcome]:
    """As :func:`train` in as many processes as the params say: what each of them has at its end."""
    call = partial(_one_of_several, variant, folder, params=params, settings=settings)
    found: list[tuple[int, Outcome]] = []
    in_processes(
        [call] * params.devices_per_fold,
        workers=params.devices_per_fold,
        finished=found.append,
        environments=environments(params),
    )
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def _one_of_several(
    variant: str, folder: Path, *, params: TrainingParams, settings: dict[str, object]
) -> tuple[int, Outcome]:
    with joined(params) as ranks:
        return ranks.rank, outcome(train(variant, folder, params=params, ranks=ranks, **settings))  # type: ignore[arg-type]

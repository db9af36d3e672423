"""A fold of random utterances for any preset, trained by one process or by several."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch
from merflow.contracts.params import TrainingParams
from merflow.contracts.processes import in_processes
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import Role, Stream
from merflow.contracts.tracker import NullTracker
from merflow.inference.ranks import ALONE, Ranks
from merflow.models import MODELS, ModelConfig
from merflow.presets import catalogue
from merflow.training.loop import EpochProgress, TrainedFold, train_fold
from merflow.training.parallel import environments, joined
from merflow.training.stages import Material, Stage
from tests.models.batches import EMOTIONS, SMALL, random_batch, shapes_of

Result = TypeVar("Result")


@dataclass(frozen=True)
class RandomUtterances:
    """A source in memory of random features with random masks; some utterances lack a modality.

    Attributes:
        turns: Roles whose steps are the turns around the utterance; every batch has all of them.
    """

    batch_of_all: Batch
    lengths: np.ndarray
    turns: frozenset[Role]

    @classmethod
    def of(cls, streams: Sequence[Stream], count: int, *, seed: int, dtype: torch.dtype) -> "RandomUtterances":
        """Return this many utterances of up to 20 steps."""
        lengths = np.random.default_rng(seed).integers(1, 21, size=count)
        batch = random_batch(streams, lengths.tolist(), seed=seed, dtype=dtype)
        for place, stream in enumerate(streams[1:], start=1):
            batch.present[stream.role][place :: 4 + place] = False
        return cls(batch, lengths, frozenset(stream.role for stream in streams if stream.neighbours))

    @property
    def labels(self) -> np.ndarray:
        """Labels that cycle through the classes."""
        assert self.batch_of_all.labels is not None
        found: np.ndarray = self.batch_of_all.labels.numpy()
        return found

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return utterances, padded to the longest of each role."""
        chosen, whole = list(indices), self.batch_of_all
        assert whole.labels is not None
        masks = {role: mask[chosen] for role, mask in whole.present.items()}
        steps = {role: mask.shape[1] if role in self.turns else _steps(mask) for role, mask in masks.items()}
        return Batch(
            features={role: values[chosen, : steps[role]] for role, values in whole.features.items()},
            present={role: mask[:, : steps[role]] for role, mask in masks.items()},
            labels=whole.labels[chosen],
            utterance_ids=tuple(whole.utterance_ids[place] for place in chosen),
        )


def _steps(mask: Tensor) -> int:
    """Return the steps of the longest utterance, at least 1."""
    return max(1, int(mask.sum(dim=1).max()))


def config_of(variant: str, **changes: object) -> ModelConfig:
    """Return a small config of the variant with these changes."""
    preset = catalogue.preset(variant)
    return MODELS[preset.model].configure(preset.config | SMALL.get(preset.model, {}) | changes)


def model_of(variant: str, **changes: object) -> nn.Module:
    """Return a model with the same weights at every call."""
    config = config_of(variant, **changes)
    torch.manual_seed(0)
    entry = MODELS[catalogue.preset(variant).model]
    return entry.model(config, shapes=shapes_of(config.streams()), task=EMOTIONS)


def recipe_of(variant: str, **changes: object) -> Recipe:
    """Return the preset's recipe for stored features with these changes."""
    frozen = {"policy": "frozen", "encoders": {}} | changes
    return Recipe.model_validate(catalogue.preset(variant).recipe.model_dump() | frozen)


def train(
    variant: str,
    folder: Path,
    *,
    params: TrainingParams,
    utterances: int = 37,
    recipe: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
    dtype: torch.dtype = torch.float32,
    progress: EpochProgress | None = None,
    ranks: Ranks = ALONE,
) -> TrainedFold:
    """Train the variant on random utterances, with the checkpoint in the folder."""
    model = model_of(variant, **config or {}).to(dtype)
    streams = config_of(variant, **config or {}).streams()
    parts = [
        RandomUtterances.of(streams, count, seed=seed, dtype=dtype) for seed, count in enumerate((utterances, 21, 13))
    ]
    return train_fold(
        [Stage(recipe_of(variant, **recipe or {}), lambda: Material(model, EMOTIONS, *parts))],
        seed=0,
        params=params,
        folder=folder,
        tracker=NullTracker(),
        progress=progress,
        ranks=ranks,
    )


Outcome = tuple[list[dict[str, float]], dict[str, Tensor], np.ndarray]


def outcome(found: TrainedFold) -> Outcome:
    """Return the figures of the epochs, the weights, and the shadow's test probabilities."""
    assert found.shadow is not None
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in found.history.rows()]
    return rows, found.material.model.state_dict(), found.shadow.predictions


def together(call: Callable[..., Result], *, params: TrainingParams) -> list[Result]:
    """Return the results of ``call`` in ``devices_per_fold`` processes that form a group, in the order of ranks."""
    found: list[tuple[int, Result]] = []
    in_processes(
        [partial(_as_one_of_several, call, params=params)] * params.devices_per_fold,
        workers=params.devices_per_fold,
        finished=found.append,
        environments=environments(params),
    )
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


def _as_one_of_several(call: Callable[..., Result], *, params: TrainingParams) -> tuple[int, Result]:
    with joined(params) as ranks:
        return ranks.rank, call(params=params, ranks=ranks)


def assert_equal(found: Outcome, expected: Outcome) -> None:
    assert found[0] == expected[0]
    assert found[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        assert torch.equal(found[1][name], value), name
    assert np.array_equal(found[2], expected[2])

"""Random batches of any role, for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from merflow.contracts.batch import Batch
from merflow.contracts.streams import ROLES, Role, Stream, StreamShape
from merflow.contracts.task import Classification

WIDTH = 12
EMOTIONS = Classification(("angry", "happy", "neutral", "sad"))
CLASSES = len(EMOTIONS.classes)

# Small sizes by model, so that its tests are quick; switches are never among them.
SMALL: dict[str, dict[str, Any]] = {
    "foal-net": {"projection": 16},
    "gia-mic": {"dims": 16, "heads": 2, "feedforward": 32},
    "layer-adapter-fusion": {"dims": 16, "heads": 2, "feedforward": 32},
    "mfdr": {"dims": 16, "heads": 2, "channels": 8},
}

_LAYERED = ("speech_layers", "text_layers")


def shapes_of(streams: Sequence[Stream]) -> dict[Role, StreamShape]:
    """Return small sizes for each stream."""
    return {stream.role: StreamShape(layers=3 if stream.role in _LAYERED else None, width=WIDTH) for stream in streams}


def random_batch(
    streams: Sequence[Stream], lengths: Sequence[int], *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Batch:
    """Return random utterances whose values differ in mean, so that no two are alike.

    The first role of :data:`ROLES` has the given lengths; the others have them in another order. Streams of neighbours
    lack some turns at random.
    """
    generator = torch.Generator().manual_seed(seed)
    features: dict[Role, torch.Tensor] = {}
    present: dict[Role, torch.Tensor] = {}
    for stream in streams:
        shape = shapes_of([stream])[stream.role]
        steps_of = np.roll(lengths, ROLES.index(stream.role)).tolist()
        turns = 2 * stream.neighbours + 1
        steps = turns if stream.pooled else max(lengths)
        size = (len(lengths), steps, *([shape.layers] if shape.layers else []), shape.width)
        offsets = torch.randn(len(lengths), *[1] * (len(size) - 1), generator=generator, dtype=dtype)
        if stream.pooled:
            mask = torch.rand(len(lengths), steps, generator=generator) > 0.3
            mask[:, stream.neighbours] = True
        else:
            mask = torch.arange(steps) < torch.tensor(steps_of).unsqueeze(1)
        values = torch.randn(size, generator=generator, dtype=dtype) + offsets
        features[stream.role] = values * mask.view(*mask.shape, *[1] * (len(size) - 2))
        present[stream.role] = mask
    labels = torch.arange(len(lengths)) % CLASSES
    return Batch(features, present, labels, tuple(f"utterance{position}" for position in range(len(lengths))))


def pick(batch: Batch, indices: Sequence[int], *, streams: Sequence[Stream]) -> Batch:
    """Return some utterances of a batch, each role cut to its longest; neighbours keep their positions."""
    chosen = list(indices)
    neighbours = {stream.role for stream in streams if stream.pooled}
    features: dict[Role, torch.Tensor] = {}
    present: dict[Role, torch.Tensor] = {}
    for role, mask in batch.present.items():
        kept = mask[chosen]
        steps = mask.shape[1] if role in neighbours else int(kept.sum(dim=1).max())
        features[role], present[role] = batch.features[role][chosen, :steps], kept[:, :steps]
    labels = None if batch.labels is None else batch.labels[chosen]
    return Batch(features, present, labels, tuple(batch.utterance_ids[position] for position in chosen))


def garbled(batch: Batch, *, extra_steps: Mapping[Role, int]) -> Batch:
    """Return the same utterances with more padding, all of it filled with values that no model may read."""
    features: dict[Role, torch.Tensor] = {}
    present: dict[Role, torch.Tensor] = {}
    for role, mask in batch.present.items():
        values, extra = batch.features[role], extra_steps.get(role, 0)
        longer = torch.cat([values, values.new_zeros(len(values), extra, *values.shape[2:])], dim=1)
        present[role] = torch.cat([mask, mask.new_zeros(len(mask), extra)], dim=1)
        features[role] = longer.where(present[role].view(*present[role].shape, *[1] * (longer.dim() - 2)), 7.0)
    return Batch(features, present, batch.labels, batch.utterance_ids)

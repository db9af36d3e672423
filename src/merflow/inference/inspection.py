"""Attention maps, gates and embeddings of a trained model."""

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.axes import POSITION
from merflow.contracts.batch import Batch, Inspection, Output
from merflow.contracts.params import TrainingParams
from merflow.contracts.sources import BatchSource
from merflow.features.batches.bucketing import sequential_batches
from merflow.inference.devices import autocast, device_of
from merflow.models.layers import inspect


def look(model: nn.Module, source: BatchSource, index: int, *, params: TrainingParams) -> dict[str, Inspection]:
    """Return all maps, gates and weights for one utterance, by module.

    The utterance is alone in its batch, so there is no padding. The arrays have no batch axis.
    """
    device = device_of(params)
    batch = source.batch([index]).to(device)
    with autocast(params, device=device):
        inspections = inspect(model.to(device), batch)
    return {name: Inspection(entry.values[0], entry.axes) for name, entry in inspections.items()}


def averages(
    model: nn.Module, source: BatchSource, *, batch_size: int, params: TrainingParams
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """Return the gates and weights of all utterances, averaged over each utterance's real steps.

    Attention maps are left out, because their rows sum to one. Positions that are always valid are averaged over as
    well.

    Returns:
        Module -> ``(len(source), ...)`` float32 with all axes but those of steps, and the names of those axes.
    """
    device = device_of(params)
    model.to(device)
    order: list[int] = []
    rows: dict[str, list[Tensor]] = defaultdict(list)
    axes: dict[str, tuple[str, ...]] = {}
    for indices in sequential_batches(source.lengths, batch_size=batch_size):
        batch = source.batch(indices).to(device)
        with autocast(params, device=device):
            inspections = inspect(model, batch, attention=False)
        for name, entry in inspections.items():
            values, axes[name] = _over_real_steps(entry, batch)
            rows[name].append(values)
        order += indices
    return {name: (_in_order(torch.cat(values).numpy(), order), axes[name]) for name, values in rows.items()}


def embed(model: nn.Module, source: BatchSource, *, batch_size: int, params: TrainingParams) -> np.ndarray:
    """Return the pooled vectors that feed the classifier, ``(len(source), E)`` float32."""
    device = device_of(params)
    model.to(device).eval()
    order: list[int] = []
    rows = []
    with torch.inference_mode():
        for indices in sequential_batches(source.lengths, batch_size=batch_size):
            with autocast(params, device=device):
                output: Output = model(source.batch(indices).to(device))
            rows.append(output.embedding.float().flatten(start_dim=1))
            order += indices
    return _in_order(torch.cat(rows).cpu().numpy(), order)


def _over_real_steps(entry: Inspection, batch: Batch) -> tuple[Tensor, tuple[str, ...]]:
    values = entry.values
    other_axes: list[str] = []
    for axis in entry.axes:
        position = 1 + len(other_axes)
        if axis == POSITION:
            values = values.mean(dim=position)
            continue
        present = {str(role): mask for role, mask in batch.present.items()}.get(axis)
        if present is None:
            other_axes.append(axis)
            continue
        moved = values.movedim(position, 1)  # (N, steps, ...)
        weights = present.float().cpu().view(*present.shape, *[1] * (moved.dim() - 2))
        values = (moved * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    return values, tuple(other_axes)


def _in_order(values: np.ndarray, order: list[int]) -> np.ndarray:
    in_order = np.empty_like(values)
    in_order[order] = values
    return in_order

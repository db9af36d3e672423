"""What a trained model looks at, and where it puts utterances."""

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, BatchSource, Inspection, Output
from merflow.contracts.params import TrainingParams
from merflow.features.extraction.bucketing import sequential_batches
from merflow.inference.devices import autocast, device_of
from merflow.models.layers import inspect


def look(model: nn.Module, source: BatchSource, index: int, *, params: TrainingParams) -> dict[str, Inspection]:
    """Everything that the model shows of one utterance, by module; alone in its batch, so without padding.

    The first axis, of the one utterance, is dropped.
    """
    device = device_of(params)
    batch = source.batch([index]).to(device)
    with autocast(params, device=device):
        found = inspect(model.to(device), batch)
    return {name: Inspection(entry.values[0], entry.axes) for name, entry in found.items()}


def averages(
    model: nn.Module, source: BatchSource, *, batch_size: int, params: TrainingParams
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    """What modules show (``Shown``), averaged over each utterance's real steps, for all utterances.

    Returns:
        Module -> ``(len(source), ...)`` float32 with the axes that are no role's steps, and the names of those axes.
        Attention is left out: its rows sum to one.
    """
    device = device_of(params)
    model.to(device)
    order: list[int] = []
    rows: dict[str, list[Tensor]] = defaultdict(list)
    axes: dict[str, tuple[str, ...]] = {}
    for indices in sequential_batches(source.lengths, batch_size=batch_size):
        batch = source.batch(indices).to(device)
        with autocast(params, device=device):
            found = inspect(model, batch, attention=False)
        for name, entry in found.items():
            values, axes[name] = _over_real_steps(entry, batch)
            rows[name].append(values)
        order += indices
    return {name: (_in_order(torch.cat(values).numpy(), order), axes[name]) for name, values in rows.items()}


def embed(model: nn.Module, source: BatchSource, *, batch_size: int, params: TrainingParams) -> np.ndarray:
    """The pooled vectors that feed the classifier, ``(len(source), E)`` float32."""
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
    kept: list[str] = []
    for axis in entry.axes:
        place = 1 + len(kept)
        present = {str(role): mask for role, mask in batch.present.items()}.get(axis)
        if present is None:
            kept.append(axis)
            continue
        moved = values.movedim(place, 1)  # (N, steps, ...)
        weights = present.float().cpu().view(*present.shape, *[1] * (moved.dim() - 2))
        values = (moved * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
    return values, tuple(kept)


def _in_order(found: np.ndarray, order: list[int]) -> np.ndarray:
    sorted_rows = np.empty_like(found)
    sorted_rows[order] = found
    return sorted_rows

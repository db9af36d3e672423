"""Optional compilation of a model's forward pass."""

from collections.abc import Callable, Collection
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.params import TrainingParams
from merflow.contracts.streams import Role
from merflow.models import ModelConfig

Forward = Callable[[Batch | RawBatch], Output]

# A CUDA graph is recorded per shape. Steps are padded up to a multiple of this, so that few shapes occur.
_STEPS = 32


def forward_of(model: nn.Module, params: TrainingParams) -> Forward:
    """Return the model's forward pass, compiled if ``training.compile`` asks for it.

    On a CPU, ``cuda-graphs`` means ``default``. Raw batches are never compiled, because their shapes change from batch
    to batch.
    """
    if params.compile == "off":
        return model
    graphs = params.compile == "cuda-graphs" and torch.cuda.is_available()
    torch.use_deterministic_algorithms(
        torch.are_deterministic_algorithms_enabled(), warn_only=True
    )  # tells the compiler
    compiled = torch.compile(model, mode="reduce-overhead" if graphs else None)
    config: ModelConfig = model.config  # type: ignore[assignment]
    # Streams with neighbours have the same number of steps in every batch.
    growing = {stream.role for stream in config.streams() if not stream.neighbours}

    def forward(batch: Batch | RawBatch) -> Output:
        if isinstance(batch, RawBatch):
            output: Output = model(batch)
        elif graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            output = compiled(rounded_up(batch, roles=growing))
        else:
            output = compiled(batch)
        return output

    return forward


def rounded_up(batch: Batch, *, roles: Collection[Role]) -> Batch:
    """Return the batch with these roles padded to a multiple of 32 steps; padding changes no result."""
    features, present = dict(batch.features), dict(batch.present)
    for role in roles:
        mask = batch.present[role]
        padding = -mask.shape[1] % _STEPS
        values = batch.features[role]
        features[role] = functional.pad(values, (0, 0) * (values.dim() - 2) + (0, padding))
        present[role] = functional.pad(mask, (0, padding))
    return replace(batch, features=features, present=present)

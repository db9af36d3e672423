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

# A CUDA graph is recorded for each shape: steps are padded up to a multiple, so that few shapes occur.
_STEPS = 32


def forward_of(model: nn.Module, params: TrainingParams) -> Forward:
    """The model's forward pass as the params want it.

    ``cuda-graphs`` on a CPU is ``default``. A raw batch's shapes change from batch to batch, so that encoders in the
    graph are called as they are.
    """
    if params.compile == "off":
        return model
    graphs = params.compile == "cuda-graphs" and torch.cuda.is_available()
    compiled = torch.compile(model, mode="reduce-overhead" if graphs else None)
    config: ModelConfig = model.config  # type: ignore[assignment]
    # Neighbours are as many in every batch, and have their places.
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
    """The batch with masked steps at the end of these roles, up to a multiple of 32; padding changes no result."""
    features, present = dict(batch.features), dict(batch.present)
    for role in roles:
        mask = batch.present[role]
        more = -mask.shape[1] % _STEPS
        values = batch.features[role]
        features[role] = functional.pad(values, (0, 0) * (values.dim() - 2) + (0, more))
        present[role] = functional.pad(mask, (0, more))
    return replace(batch, features=features, present=present)

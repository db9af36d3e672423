"""Class probabilities of a trained model."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.errors import TrainingError
from merflow.contracts.params import TrainingParams
from merflow.features.bucketing import sequential_batches
from merflow.training.determinism import deterministic
from merflow.training.devices import autocast, device_of
from merflow.training.feeding import batches
from merflow.training.stages import Source


def predict(
    model: nn.Module, source: Source, *, batch_size: int, params: TrainingParams, precision: str = "auto"
) -> np.ndarray:
    """Probabilities ``(len(source), C)`` float32 in the order of the source.

    The model is moved to the device of the params and left in the mode it came in.

    Raises:
        TrainingError: The source is empty, or the device is not there.
    """
    if not len(source):
        raise TrainingError("nothing to predict: the source has no utterances; check the split's parts")
    device = device_of(params)
    was_training = model.training
    model.to(device).eval()

    def forward(batch: Batch | RawBatch) -> Output:
        with autocast(params, device=device, precision=precision):
            output: Output = model(batch)
        return output

    with deterministic(threads=params.threads):
        found = probabilities(forward, source, batch_size=batch_size, device=device)
    model.train(was_training)
    return found


def probabilities(
    forward: Callable[[Batch | RawBatch], Output], source: Source, *, batch_size: int, device: torch.device
) -> np.ndarray:
    """Probabilities ``(len(source), C)`` float32 in the order of the source; no label reaches the model."""
    order = sequential_batches(source.lengths, batch_size=batch_size)
    with torch.inference_mode():
        rows = [
            forward(_unlabelled(batch)).logits.float().softmax(dim=-1)
            for batch in batches(source, order, device=device)
        ]
        found: np.ndarray = torch.cat(rows).cpu().numpy()
    sorted_rows = np.empty_like(found)
    sorted_rows[np.concatenate(order)] = found
    return sorted_rows


def _unlabelled(batch: Batch | RawBatch) -> Batch | RawBatch:
    if isinstance(batch, RawBatch):
        return replace(batch, stored=replace(batch.stored, labels=None))
    return replace(batch, labels=None)

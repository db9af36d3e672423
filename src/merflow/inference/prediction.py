"""Class probabilities of a trained model."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.params import TrainingParams
from merflow.errors import TrainingError
from merflow.features.extraction.bucketing import sequential_batches
from merflow.inference.determinism import deterministic
from merflow.inference.devices import autocast, device_of
from merflow.inference.feeding import batches
from merflow.inference.parallel import ALONE, Ranks
from merflow.training.stages import Source


def predict(
    model: nn.Module,
    source: Source,
    *,
    batch_size: int,
    params: TrainingParams,
    precision: str = "auto",
    ranks: Ranks = ALONE,
) -> np.ndarray:
    """Probabilities ``(len(source), C)`` float32 in the order of the source.

    The model is moved to the device of the params and left in the mode it came in. Processes that train together share
    the batches out, and each gets all probabilities.

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
        found = probabilities(forward, source, batch_size=batch_size, device=device, ranks=ranks)
    model.train(was_training)
    return found


def probabilities(
    forward: Callable[[Batch | RawBatch], Output],
    source: Source,
    *,
    batch_size: int,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> np.ndarray:
    """Probabilities ``(len(source), C)`` float32 in the order of the source; no label reaches the model."""
    order = ranks.mine(sequential_batches(source.lengths, batch_size=batch_size))
    with torch.inference_mode():
        rows = [
            forward(_unlabelled(batch)).logits.float().softmax(dim=-1)
            for batch in batches(source, order, device=device)
        ]
        own = [(np.concatenate(order), torch.cat(rows).cpu().numpy())] if rows else []
    places, found = map(np.concatenate, zip(*ranks.collected(own), strict=True))
    sorted_rows: np.ndarray = np.empty_like(found)
    sorted_rows[places] = found
    return sorted_rows


def _unlabelled(batch: Batch | RawBatch) -> Batch | RawBatch:
    if isinstance(batch, RawBatch):
        return replace(batch, stored=replace(batch.stored, labels=None))
    return replace(batch, labels=None)

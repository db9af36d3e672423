"""Class probabilities that a trained model predicts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.params import TrainingParams
from merflow.contracts.sources import UtteranceSource
from merflow.errors import TrainingError
from merflow.features.batches.bucketing import sequential_batches
from merflow.inference.determinism import deterministic
from merflow.inference.devices import autocast, device_of
from merflow.inference.feeding import batches
from merflow.inference.ranks import ALONE, Ranks


def predict(
    model: nn.Module,
    source: UtteranceSource,
    *,
    batch_size: int,
    params: TrainingParams,
    precision: str = "auto",
    ranks: Ranks = ALONE,
) -> np.ndarray:
    """Return probabilities ``(len(source), C)`` float32 in the order of the source.

    The model is moved to ``training.device``; its mode is restored afterwards. Processes that train together split the
    batches among themselves, and each returns all probabilities.

    Args:
        model: A trained model; with its encoders if the source yields raw batches.
        source: The utterances.
        batch_size: Utterances per batch.
        params: Device, precision and threads.
        precision: The recipe's precision.
        ranks: The processes that share the work.

    Raises:
        TrainingError: The source is empty, or the device does not exist.
    """
    if not len(source):
        raise TrainingError("there is nothing to predict: the source has no utterances; check the parts of the split")
    device = device_of(params)
    was_training = model.training
    if any(module.training for module in model.modules()):
        model.eval()
    if any(value.device != device for value in model.parameters()):
        model.to(device)

    def forward(batch: Batch | RawBatch) -> Output:
        with autocast(params, device=device, precision=precision):
            output: Output = model(batch)
        return output

    with deterministic(threads=params.threads):
        predicted = probabilities(forward, source, batch_size=batch_size, device=device, ranks=ranks)
    if was_training:
        model.train()
    return predicted


def probabilities(
    forward: Callable[[Batch | RawBatch], Output],
    source: UtteranceSource,
    *,
    batch_size: int,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> np.ndarray:
    """Return probabilities ``(len(source), C)`` float32 in the order of the source. The model sees no label."""
    order = ranks.share(sequential_batches(source.lengths, batch_size=batch_size))
    with torch.inference_mode():
        rows = [
            forward(_unlabelled(batch)).logits.float().softmax(dim=-1)
            for batch in batches(source, order, device=device)
        ]
        share = [(np.concatenate(order), torch.cat(rows).cpu().numpy())] if rows else []
    indices, values = map(np.concatenate, zip(*ranks.collect(share), strict=True))
    in_order: np.ndarray = np.empty_like(values)
    in_order[indices] = values
    return in_order


def _unlabelled(batch: Batch | RawBatch) -> Batch | RawBatch:
    if isinstance(batch, RawBatch):
        return replace(batch, stored=replace(batch.stored, labels=None))
    return replace(batch, labels=None)

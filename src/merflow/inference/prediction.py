"""Predictions of a trained model: probabilities of classes, or scores."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.params import TrainingParams
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.task import Regression, Task
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
    task: Task,
    batch_size: int,
    params: TrainingParams,
    precision: str = "auto",
    ranks: Ranks = ALONE,
) -> np.ndarray:
    """Return probabilities ``(len(source), C)``, or scores ``(len(source), 1)``, float32 in the order of the source.

    The model is moved to ``training.device``; its mode is restored afterwards. Processes that train together split the
    batches among themselves, and each returns all predictions.

    Args:
        model: A trained model; with its encoders if the source yields raw batches.
        source: The utterances.
        task: The task that the model learned.
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
        predicted = predictions(forward, source, task=task, batch_size=batch_size, device=device, ranks=ranks)
    if was_training:
        model.train()
    return predicted


def predictions(
    forward: Callable[[Batch | RawBatch], Output],
    source: UtteranceSource,
    *,
    task: Task,
    batch_size: int,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> np.ndarray:
    """Return the same as :func:`predict`, given the forward pass. The model sees no labels."""
    order = ranks.share(sequential_batches(source.lengths, batch_size=batch_size))
    with torch.inference_mode():
        rows = [predicted_of(forward(_unlabelled(batch)), task) for batch in batches(source, order, device=device)]
        share = [(np.concatenate(order), torch.cat(rows).cpu().numpy())] if rows else []
    indices, values = map(np.concatenate, zip(*ranks.collect(share), strict=True))
    in_order: np.ndarray = np.empty_like(values)
    in_order[indices] = values
    return in_order


def predicted_of(output: Output, task: Task) -> Tensor:
    """Return the probabilities of classes ``(N, C)``, or the scores ``(N, 1)``, float32."""
    logits = output.logits.float()
    return logits if isinstance(task, Regression) else logits.softmax(dim=-1)


def _unlabelled(batch: Batch | RawBatch) -> Batch | RawBatch:
    if isinstance(batch, RawBatch):
        return replace(batch, stored=replace(batch.stored, labels=None))
    return replace(batch, labels=None)

"""Class probabilities of a trained model."""

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import BatchSource, Output
from merflow.contracts.errors import TrainingError
from merflow.contracts.params import TrainingParams
from merflow.features.bucketing import sequential_batches
from merflow.training.determinism import deterministic
from merflow.training.devices import autocast, device_of


def predict(model: nn.Module, source: BatchSource, *, batch_size: int, params: TrainingParams) -> np.ndarray:
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
    order: list[int] = []
    rows = []
    with deterministic(threads=params.threads), torch.inference_mode():
        for indices in sequential_batches(source.lengths, batch_size=batch_size):
            with autocast(params, device=device):
                output: Output = model(source.batch(indices).to(device))
            rows.append(output.logits.float().softmax(dim=-1))
            order += indices
        found: np.ndarray = torch.cat(rows).cpu().numpy()
    model.train(was_training)
    probabilities = np.empty_like(found)
    probabilities[order] = found
    return probabilities

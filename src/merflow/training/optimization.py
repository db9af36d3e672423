"""One epoch of training, one look at the development data."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import BatchSource, Output
from merflow.contracts.errors import TrainingError
from merflow.contracts.params import Recipe, TrainingParams
from merflow.evaluation.metrics import unweighted_accuracy, weighted_accuracy
from merflow.features.bucketing import bucketed_batches, sequential_batches
from merflow.training.devices import autocast

_OPTIMIZERS: Mapping[str, type[torch.optim.Adam] | type[torch.optim.AdamW]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@dataclass(frozen=True)
class Bench:
    """What every epoch of a fold works with."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    params: TrainingParams
    device: torch.device

    def precision(self) -> AbstractContextManager[object]:
        """The autocast of the params, or none."""
        return autocast(self.params, device=self.device)


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over the parameters that learn; one fused kernel a step."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return _OPTIMIZERS[recipe.optimizer](learning, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


def train_epoch(bench: Bench, source: BatchSource, *, epoch: int) -> float:
    """One pass in seeded order; returns the mean loss an utterance.

    The loss is summed on the device and read once, so that no batch waits for another.

    Raises:
        TrainingError: The loss is not finite.
    """
    bench.model.train()
    total = torch.zeros((), device=bench.device)
    batches = bucketed_batches(source.lengths, batch_size=bench.recipe.batch_size, seed=bench.params.seed, epoch=epoch)
    for indices in batches:
        batch = source.batch(indices).to(bench.device)
        with bench.precision():
            output: Output = bench.model(batch)
            loss = output.loss
        bench.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if bench.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(bench.model.parameters(), bench.recipe.clip_norm)
        bench.optimizer.step()
        total += loss.detach().float() * len(batch)
    return _finite(float(total) / len(source), what="training loss", epoch=epoch, recipe=bench.recipe)


def develop(bench: Bench, source: BatchSource, *, epoch: int) -> tuple[float, float, float]:
    """Mean loss an utterance, UA and WA on development data.

    Raises:
        TrainingError: The loss is not finite.
    """
    bench.model.eval()
    total = torch.zeros((), device=bench.device)
    labels, predicted, classes = [], [], 0
    with torch.inference_mode():
        for indices in sequential_batches(source.lengths, batch_size=bench.recipe.batch_size):
            batch = source.batch(indices).to(bench.device)
            assert batch.labels is not None
            with bench.precision():
                output: Output = bench.model(batch)
                total += output.loss.float() * len(batch)
            labels.append(batch.labels)
            predicted.append(output.logits.argmax(dim=-1))
            classes = output.logits.shape[-1]
        pairs: np.ndarray = torch.stack([torch.cat(labels), torch.cat(predicted)]).cpu().numpy()
    loss = _finite(float(total) / len(source), what="development loss", epoch=epoch, recipe=bench.recipe)
    return loss, unweighted_accuracy(pairs[0], pairs[1], classes=classes), weighted_accuracy(pairs[0], pairs[1])


def _finite(loss: float, *, what: str, epoch: int, recipe: Recipe) -> float:
    if not np.isfinite(loss):
        raise TrainingError(
            f"{what} is {loss} in epoch {epoch}; lower the recipe's lr ({recipe.lr}), set its clip_norm "
            f"({recipe.clip_norm}), set training.precision=float32, or look for features that are not finite"
        )
    return loss

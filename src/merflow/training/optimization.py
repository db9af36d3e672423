"""One epoch of training and one evaluation on development data.

The host waits for the device only at the end of an epoch: losses are summed on the device, and checked for being finite
once per epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.params import TrainingParams
from merflow.contracts.recipe import Recipe
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.task import Task
from merflow.errors import DivergedError
from merflow.features.batches.bucketing import sequential_batches
from merflow.inference.devices import autocast, autocast_dtype
from merflow.inference.feeding import batches
from merflow.inference.prediction import predictions
from merflow.inference.ranks import ALONE, Ranks
from merflow.training.compiling import Forward, forward_of
from merflow.training.figures import development_figures
from merflow.training.modality_dropout import drop_modalities
from merflow.training.parallel import average_gradients, mean_over_processes, share_of, share_of_loss
from merflow.training.sampling import epoch_batches
from merflow.training.whole_batch import span_processes

_OPTIMIZERS: Mapping[str, type[torch.optim.Adam] | type[torch.optim.AdamW]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@runtime_checkable
class Grouped(Protocol):
    """A model that contains encoders."""

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters by group: ``model`` and ``encoders``, each with its own learning rate."""
        ...


@dataclass(frozen=True)
class TrainingState:
    """Everything that an epoch of a stage needs: the model, its optimizer and their settings."""

    model: nn.Module
    forward: Forward
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    recipe: Recipe
    params: TrainingParams
    task: Task
    seed: int
    device: torch.device
    ranks: Ranks

    @classmethod
    def of(
        cls,
        model: nn.Module,
        *,
        recipe: Recipe,
        params: TrainingParams,
        task: Task,
        seed: int,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> "TrainingState":
        """Move the model to the device and create a fresh optimizer for it."""
        model.to(device)
        span_processes(model, ranks)
        half = autocast_dtype(params, device=device, precision=recipe.precision) is torch.float16
        scaler = torch.amp.GradScaler(device.type, enabled=half)
        optimizer = optimizer_of(model, recipe)
        return cls(model, forward_of(model, params), optimizer, scaler, recipe, params, task, seed, device, ranks)

    def output(self, batch: Batch | RawBatch) -> Output:
        """Return the model's output, computed in the precision that recipe and parameters set."""
        with autocast(self.params, device=self.device, precision=self.recipe.precision):
            return self.forward(batch)

    @property
    def learning(self) -> list[nn.Parameter]:
        """The parameters that the optimizer updates."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer for the trainable parameters. It runs one fused kernel per step.

    Each group stores its first learning rate as ``first_lr`` for the schedule.
    """
    rates = {"model": recipe.lr, "encoders": recipe.encoder_lr or recipe.lr}
    groups = (
        model.parameter_groups()
        if isinstance(model, Grouped)
        else {"model": [parameter for parameter in model.parameters() if parameter.requires_grad]}
    )
    return _OPTIMIZERS[recipe.optimizer](
        [
            {"params": parameters, "lr": rates[name], "first_lr": rates[name]}
            for name, parameters in groups.items()
            if parameters
        ],
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def train_epoch(training_state: TrainingState, source: UtteranceSource, *, epoch: int) -> float:
    """Train for one pass over the source in seeded order; return the mean loss per utterance.

    Raises:
        DivergedError: The loss is not finite.
    """
    training_state.model.train()
    learning, clip_norm, ranks = training_state.learning, training_state.recipe.clip_norm, training_state.ranks
    total = torch.zeros((), device=training_state.device)
    order = epoch_batches(source, recipe=training_state.recipe, seed=training_state.seed, epoch=epoch)
    sizes = map(len, order)  # not zipped with the shares: zip would hold a reference to its last pair
    for share in batches(share_of(source, ranks), order, device=training_state.device):
        size = next(sizes)
        batch = drop_modalities(share, probability=training_state.params.modality_dropout)
        loss = share_of_loss(training_state.output(batch), ranks, utterances=size)
        training_state.optimizer.zero_grad(set_to_none=True)
        training_state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        average_gradients(learning, ranks)
        if clip_norm is not None:
            training_state.scaler.unscale_(training_state.optimizer)
            nn.utils.clip_grad_norm_(learning, clip_norm)
        training_state.scaler.step(training_state.optimizer)
        training_state.scaler.update()
        total += loss.detach().float() * size
        del share, batch, loss  # free their memory for the next batch
    mean_loss = float(mean_over_processes(total, ranks)) / len(source)
    return _finite(mean_loss, what="training loss", epoch=epoch, recipe=training_state.recipe)


def develop(training_state: TrainingState, source: UtteranceSource, *, epoch: int) -> tuple[float, dict[str, float]]:
    """Return mean loss per utterance and the task's figures on development data.

    Raises:
        DivergedError: The loss is not finite.
    """
    training_state.model.eval()
    total = torch.zeros((), device=training_state.device)
    labels, outputs, ranks = [], [], training_state.ranks
    order = ranks.share(sequential_batches(source.lengths, batch_size=training_state.recipe.batch_size))
    with torch.inference_mode():
        for batch in batches(source, order, device=training_state.device):
            assert batch.labels is not None
            output = training_state.output(batch)
            total += output.loss.float() * len(batch)
            labels.append(batch.labels)
            outputs.append(output.logits.float())
            del batch, output  # free their memory for the next batch
        share = [(torch.cat(labels).cpu().numpy(), torch.cat(outputs).cpu().numpy(), float(total))] if labels else []
    true, given, totals = zip(*ranks.collect(share), strict=True)
    loss = _finite(sum(totals) / len(source), what="development loss", epoch=epoch, recipe=training_state.recipe)
    return loss, development_figures(np.concatenate(true), np.concatenate(given), task=training_state.task)


def shadow_predictions(training_state: TrainingState, source: UtteranceSource) -> np.ndarray:
    """Return the predictions ``(len(source), C)`` of the model in its current state; only for the shadow selection."""
    training_state.model.eval()
    return predictions(
        training_state.output,
        source,
        task=training_state.task,
        batch_size=training_state.recipe.batch_size,
        device=training_state.device,
        ranks=training_state.ranks,
    )


def _finite(loss: float, *, what: str, epoch: int, recipe: Recipe) -> float:
    if not np.isfinite(loss):
        raise DivergedError(
            f"{what} is {loss} in epoch {epoch}; lower the recipe's lr ({recipe.lr}), set or lower its clip_norm "
            f"({recipe.clip_norm}), set training.precision=float32, or look for features that are not finite"
        )
    return loss

"""Trains one fold: epochs in seeded order, the epoch chosen on development data, resumable at any point."""

import time
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from merflow.contracts.batch import BatchSource
from merflow.contracts.errors import TrainingError
from merflow.contracts.params import Recipe, TrainingParams
from merflow.contracts.tracker import Tracker
from merflow.training.determinism import deterministic, seed_epoch
from merflow.training.devices import device_of
from merflow.training.history import EpochFigures, FoldHistory
from merflow.training.optimization import Bench, develop, optimizer_of, train_epoch
from merflow.training.resume import fingerprint_of, load_checkpoint, remove_checkpoint, save_checkpoint

# Called after each epoch with its number, the last possible epoch, and the epoch's figures.
EpochProgress = Callable[[int, int, dict[str, float]], None]


def train_fold(
    model: nn.Module,
    *,
    train: BatchSource,
    dev: BatchSource,
    recipe: Recipe,
    params: TrainingParams,
    folder: Path,
    tracker: Tracker,
    progress: EpochProgress | None = None,
    restart: bool = False,
) -> FoldHistory:
    """Trains the model and leaves in it the weights of the epoch with the best development figure.

    After every epoch a checkpoint is in ``folder``; a call with the same model, data, recipe and params goes on from
    it and ends with the same weights and figures (on a CPU to the bit) as one that was never stopped. The tracker and
    ``progress`` are told of resumed epochs again. The checkpoint stays: a call on a finished one returns at once, so
    whoever has stored the result removes the folder.

    Args:
        model: Moved to the device of the params.
        train: Labelled utterances to learn from.
        dev: Labelled utterances to choose the epoch on.
        recipe: How to optimise, when to stop.
        params: Seed, device, precision, cap on epochs, threads.
        folder: Where the checkpoint is written.
        tracker: Told of each epoch's figures.
        progress: Told of each epoch.
        restart: Forget any checkpoint, also a corrupt or foreign one, and start anew.

    Raises:
        TrainingError: No utterances or labels, a loss that is not finite, a device that is not there, or a checkpoint
            that is corrupt or of another fold.
        OutputError: The folder cannot be written.
    """
    _check(train, "training")
    _check(dev, "development")
    device = device_of(params)
    bench = Bench(model.to(device), optimizer_of(model, recipe), recipe, params, device)
    fingerprint = fingerprint_of(model, train=train, dev=dev, recipe=recipe, params=params, device=device)
    max_epochs = min(recipe.max_epochs, params.max_epochs or recipe.max_epochs)
    if restart:
        remove_checkpoint(folder)
    with deterministic(threads=params.threads):
        history, best = load_checkpoint(folder, model=model, optimizer=bench.optimizer, fingerprint=fingerprint)
        for figures in history.epochs:
            _tell(figures, tracker=tracker, progress=progress, max_epochs=max_epochs)
        while not history.finished(recipe=recipe, max_epochs=max_epochs):
            figures = _epoch(bench, train=train, dev=dev, epoch=len(history.epochs) + 1)
            history = history.with_epoch(figures, recipe=recipe)
            best = _copy(model) if history.best is figures else best
            save_checkpoint(
                folder, model=model, best=best, optimizer=bench.optimizer, history=history, fingerprint=fingerprint
            )
            _tell(figures, tracker=tracker, progress=progress, max_epochs=max_epochs)
    model.load_state_dict(best)
    return history


def _check(source: BatchSource, what: str) -> None:
    if not len(source):
        raise TrainingError(f"no {what} utterances; check the split's parts, or another development choice")
    if source.batch([0]).labels is None:
        raise TrainingError(f"the {what} utterances have no labels; train on a part of the splits")


def _epoch(bench: Bench, *, train: BatchSource, dev: BatchSource, epoch: int) -> EpochFigures:
    started = time.perf_counter()
    seed_epoch(bench.params.seed, epoch=epoch)
    lr = float(bench.optimizer.param_groups[0]["lr"])
    train_loss = train_epoch(bench, train, epoch=epoch)
    dev_loss, dev_ua, dev_wa = develop(bench, dev, epoch=epoch)
    return EpochFigures(
        epoch=epoch,
        train_loss=train_loss,
        dev_loss=dev_loss,
        dev_ua=dev_ua,
        dev_wa=dev_wa,
        lr=lr,
        seconds=time.perf_counter() - started,
    )


def _tell(figures: EpochFigures, *, tracker: Tracker, progress: EpochProgress | None, max_epochs: int) -> None:
    tracker.log_metrics(figures.figures, epoch=figures.epoch)
    if progress is not None:
        progress(figures.epoch, max_epochs, figures.figures)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}

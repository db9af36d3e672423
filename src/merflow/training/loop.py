"""Training of one fold: stages of epochs in seeded order, with the epoch selected on development data; resumable."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from merflow.contracts.history import EpochFigures
from merflow.contracts.params import TrainingParams
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.tracker import Tracker
from merflow.errors import TrainingError
from merflow.inference.determinism import deterministic, seed_epoch
from merflow.inference.devices import device_of
from merflow.inference.ranks import ALONE, Ranks
from merflow.training.history import FoldHistory
from merflow.training.optimization import TrainingState, develop, shadow_predictions, train_epoch
from merflow.training.resume import FoldState, fingerprint_of, load_checkpoint, save_checkpoint, stage_reached
from merflow.training.schedules import set_lr
from merflow.training.shadow import Shadow
from merflow.training.stages import Material, Stage

# Called after each epoch with its number, the last possible epoch, and the epoch's figures.
EpochProgress = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainedFold:
    """Result of training a fold.

    Attributes:
        history: Figures of all epochs.
        material: Material of the selected epoch's stage; its model has the weights of that epoch.
        shadow: The test-selected epoch; None if the last stage's material has no test utterances.
    """

    history: FoldHistory
    material: Material
    shadow: Shadow | None


def train_fold(
    stages: Sequence[Stage],
    *,
    seed: int,
    params: TrainingParams,
    folder: Path,
    tracker: Tracker,
    progress: EpochProgress | None = None,
    ranks: Ranks = ALONE,
) -> TrainedFold:
    """Train stage after stage; each starts from the weights of the best epoch so far.

    The selected epoch is the best of all stages: a later stage that never beats it does not change the result.

    A checkpoint is written to ``folder`` after every epoch. A later call with the same models, data, recipes and
    parameters resumes from it, and ends with the same weights and figures (bit-identical on a CPU) as a call that was
    never interrupted. It reports the earlier epochs to the tracker and to ``progress`` again. The checkpoint of a
    finished fold stays, and a call on it returns at once: remove the folder once you have stored the result.

    A stage without development utterances keeps the weights of its last epoch.

    Args:
        stages: One or more stages. Stages before the one that a checkpoint is in are not opened again, unless one of
            them has the best epoch in the end.
        seed: Seed of the order of utterances and of all random numbers.
        params: Device, precision, limit on epochs, threads.
        folder: Folder of the checkpoint.
        tracker: Receives the figures of each epoch.
        progress: Called after each epoch.
        ranks: The processes that train the fold together. All read the checkpoint; the first writes it.

    Raises:
        TrainingError: There are no utterances or no labels, a loss is not finite, the device does not exist, or the
            checkpoint is corrupt or belongs to another fold.
        OutputError: The folder cannot be written.
    """
    device = device_of(params)
    caps = [min(stage.recipe.max_epochs, params.max_epochs or stage.recipe.max_epochs) for stage in stages]
    ends = [stage.epochs or cap for stage, cap in zip(stages, caps, strict=True)]
    report = _reporter(tracker, progress, ends=ends)
    ranks.wait()
    reached = min(stage_reached(folder), len(stages))
    with deterministic(threads=params.threads):
        state = FoldState(FoldHistory(stage=reached), {}, Shadow.empty())
        for number, stage in enumerate(stages[reached - 1 :], start=reached):
            material = stage.open()
            _check(material.train, "training")
            if material.dev is not None:
                _check(material.dev, "development")
            training_state = TrainingState.of(
                material.model,
                recipe=stage.recipe,
                params=params,
                task=material.task,
                seed=seed,
                device=device,
                ranks=ranks,
            )
            fingerprint = fingerprint_of(stages, number, material=material, params=params, seed=seed, device=device)
            if number == reached:
                state = load_checkpoint(folder, training_state=training_state, fresh=state, fingerprint=fingerprint)
                for figures in state.history.epochs:
                    report(figures, state.history)
            while not state.history.finished(recipe=stage.recipe, max_epochs=ends[number - 1]):
                state = _one_more(training_state, material, state, max_epochs=caps[number - 1])
                if ranks.is_first:
                    save_checkpoint(folder, training_state=training_state, state=state, fingerprint=fingerprint)
                report(state.history.epochs[-1], state.history)
            if state.history.best.stage != number:
                material = stages[state.history.best.stage - 1].open()
            material.model.to(device).load_state_dict(state.best)
            if number < len(stages):
                state = FoldState(state.history.next_stage(), state.best, state.shadow)
    return TrainedFold(state.history, material, state.shadow if material.test is not None else None)


def _check(source: UtteranceSource, what: str) -> None:
    if not len(source):
        raise TrainingError(f"no {what} utterances; check the parts of the split, or choose other development data")
    if source.labels is None:
        raise TrainingError(f"not all {what} utterances have labels; train on a part of the splits")


def _one_more(training_state: TrainingState, material: Material, state: FoldState, *, max_epochs: int) -> FoldState:
    """Return the state after one more epoch. The test part influences only the shadow selection."""
    before = state.history
    figures = _epoch(training_state, material, history=before, max_epochs=max_epochs)
    history = before.with_epoch(figures, recipe=training_state.recipe)
    best = _copy(training_state.model) if history.best is figures else state.best
    shadow = state.shadow
    if material.test is not None:
        predicted = shadow_predictions(training_state, material.test)
        assert material.test.labels is not None
        labels = np.asarray(material.test.labels)
        shadow = shadow.with_epoch(figures.epoch, predicted, labels=labels, task=material.task)
    return FoldState(history, best, shadow)


def _epoch(training_state: TrainingState, material: Material, *, history: FoldHistory, max_epochs: int) -> EpochFigures:
    started = time.perf_counter()
    epoch = len(history.epochs) + 1
    seed_epoch(training_state.seed, epoch=epoch, rank=training_state.ranks.rank)
    set_lr(training_state.optimizer, training_state.recipe, epoch=epoch - history.before, max_epochs=max_epochs)
    train_loss = train_epoch(training_state, material.train, epoch=epoch)
    dev_loss, development = (
        (math.nan, dict.fromkeys(material.task.figures, math.nan))
        if material.dev is None
        else develop(training_state, material.dev, epoch=epoch)
    )
    return EpochFigures(
        epoch=epoch,
        stage=history.stage,
        train_loss=train_loss,
        dev_loss=dev_loss,
        lr=float(training_state.optimizer.param_groups[0]["lr"]),
        seconds=time.perf_counter() - started,
        development=development,
    )


def _reporter(
    tracker: Tracker, progress: EpochProgress | None, *, ends: Sequence[int]
) -> Callable[[EpochFigures, FoldHistory], None]:
    def report(figures: EpochFigures, history: FoldHistory) -> None:
        tracker.log_metrics(figures.figures, epoch=figures.epoch)
        if progress is not None:
            progress(figures.epoch, history.before + sum(ends[history.stage - 1 :]), figures.figures)

    return report


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}

"""One fold of one variant: from features and splits to a model folder and test predictions."""

import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from merflow.contracts.files import output_errors, replacing_folder
from merflow.contracts.params import Recipe, TrainingParams
from merflow.contracts.presets import OwnPresets
from merflow.contracts.streams import MODALITY_OF, Modality
from merflow.contracts.tracker import NullTracker, Tracker
from merflow.features.huggingface.graph import EncodersInGraph
from merflow.features.standardize import Standardizer
from merflow.jobs import folds
from merflow.jobs.fold_inputs import FoldInputs
from merflow.jobs.fold_sources import FoldSources
from merflow.jobs.progress import Progress, plain_lines, say
from merflow.jobs.tracking import fold_run
from merflow.models import MODELS
from merflow.models.folder import save_model
from merflow.training.encoded import EncodedModel, save_encoders
from merflow.training.loop import EpochProgress, TrainedFold, train_fold
from merflow.training.missing import Without, missing_sets
from merflow.training.prediction import predict
from merflow.training.stages import Material, Source, Stage


def train(
    item: str,
    *,
    manifest: Path,
    splits: Path,
    features: Path,
    out: Path,
    checkpoints: Path,
    params: TrainingParams,
    run: Path | None = None,
    own: OwnPresets | None = None,
    progress: Progress | None = None,
) -> Path:
    """Trains ``model:preset:fold`` and writes its folder (see ``jobs.folds``) to ``out``.

    The epoch is chosen on the development part. The predictions are made once, at the end: what the shadow selection
    sees of the test part before that (``training.shadow``) goes into a file of its own. A fold that died resumes from
    ``checkpoints``; a folder that already holds this very fold is kept.

    Args:
        item: ``model:preset:fold``, or with a seed ``model:preset:fold:seed``.
        manifest: Validated manifest.
        splits: Its splits.
        features: What ``jobs.extract`` wrote.
        out: The fold's folder.
        checkpoints: Folder of unfinished folds, each below its fingerprint.
        params: Device, precision, threads and so on.
        run: The benchmark's run (``jobs.tracking``); None tracks nothing.
        own: Presets of one's own (``presets.own``).
        progress: Told of epochs.

    Raises:
        PresetError: The item names no variant and fold.
        SplitError: The splits are of another manifest, or have no such fold.
        FeatureError: The store lacks a feature.
        TrainingError: The fold cannot be trained or resumed.
        OutputError: ``out`` or ``checkpoints`` cannot be written.
    """
    inputs = FoldInputs.read(item, manifest=manifest, splits=splits, features=features, params=params, own=own)
    if folds.is_whole(out, fingerprint=inputs.fingerprint):
        say(f"train {item}: done before, kept in {out}")
        shutil.rmtree(checkpoints / inputs.fingerprint, ignore_errors=True)
        return out
    tracked = None if run is None else fold_run(run, inputs)
    with tracked or nullcontext():
        tracker = tracked or NullTracker()
        _train(inputs, out=out, checkpoints=checkpoints, tracker=tracker, tell=progress or plain_lines())
    return out


def fit(
    inputs: FoldInputs,
    sources: FoldSources,
    *,
    folder: Path,
    tracker: Tracker,
    progress: EpochProgress,
) -> tuple[nn.Module, TrainedFold]:
    """Trains a fresh model on the fold's training part; the epoch is chosen on its development part.

    The test part is opened where the shadow selection is asked for, and nowhere else.

    Args:
        inputs: The fold.
        sources: Its utterances.
        folder: Of the checkpoint; the call goes on from it.
        tracker: Told of each epoch's figures.
        progress: Told of each epoch; what it raises ends the training.
    """
    torch.manual_seed(inputs.seed)
    model = MODELS[inputs.preset.model].model(inputs.config, shapes=sources.shapes, classes=len(inputs.classes))
    stages = _stages(inputs, model=model, sources=sources)
    trained = train_fold(
        stages, seed=inputs.seed, params=inputs.params, folder=folder, tracker=tracker, progress=progress
    )
    return model, trained


def _train(inputs: FoldInputs, *, out: Path, checkpoints: Path, tracker: Tracker, tell: Progress) -> None:
    sources = FoldSources(inputs)
    standardizer, shapes = sources.standardizer, sources.shapes
    workplace = checkpoints / inputs.fingerprint
    model, trained = fit(
        inputs,
        sources,
        folder=workplace,
        tracker=tracker,
        progress=lambda epoch, last, _: tell(f"train {inputs.item}", epoch, last),
    )
    history, card = trained.history, inputs.card(shapes=shapes)
    test = sources.of(inputs.recipes[-1], "test")
    found = _predictions(inputs, trained.material.model, test)
    with replacing_folder(out) as part, output_errors(out):
        folds.write_predictions(part, inputs, probabilities=found.pop(()))
        if found:
            folds.write_missing(part, inputs, found=found)
        if trained.shadow is not None:
            folds.write_shadow(part, inputs, shadow=trained.shadow)
        folds.write_history(part, history)
        save_model(part / folds.MODEL, model, card)
        if isinstance(trained.material.model, EncodedModel):
            save_encoders(part / folds.MODEL, trained.material.model.encoders, card=card)
        standardizer.save(part / folds.MODEL / folds.STANDARDIZER)
        folds.write_facts(part, inputs, history, shadow=trained.shadow)
    tracker.log_folder(out)
    shutil.rmtree(workplace, ignore_errors=True)
    say(f"train {inputs.item}: epoch {history.best_epoch} of {len(history.epochs)} chosen on development data")


def _stages(inputs: FoldInputs, *, model: nn.Module, sources: FoldSources) -> list[Stage]:
    """The fold's stages, all of one model; encoders are loaded when their stage begins."""
    shadowed = inputs.params.shadow_selection == "none-paper"

    def opened(recipe: Recipe) -> Material:
        return Material(
            _learner(inputs, recipe, model=model, standardizer=sources.standardizer),
            train=sources.of(recipe, "train"),
            dev=sources.of(recipe, "dev"),
            test=sources.of(recipe, "test") if shadowed else None,
        )

    return [Stage(recipe, partial(opened, recipe)) for recipe in inputs.recipes]


def _learner(inputs: FoldInputs, recipe: Recipe, *, model: nn.Module, standardizer: Standardizer) -> nn.Module:
    """The model, behind its encoders where they learn."""
    if recipe.policy == "frozen":
        return model
    encoders = EncodersInGraph(
        inputs.streams, profile=inputs.profile, learning=inputs.learning(recipe), standardizer=standardizer
    )
    return EncodedModel(encoders, model)


def _predictions(inputs: FoldInputs, model: nn.Module, test: Source) -> dict[tuple[Modality, ...], np.ndarray]:
    """Modalities that are taken away -> test probabilities; nothing is taken away in the first."""
    recipe = inputs.recipes[-1]
    modalities = {MODALITY_OF[stream.role] for stream in inputs.streams}
    return {
        gone: predict(
            model,
            Without(test, gone) if gone else test,
            batch_size=recipe.batch_size,
            params=inputs.params,
            precision=recipe.precision,
        )
        for gone in [(), *missing_sets(modalities)]
    }

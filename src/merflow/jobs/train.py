"""One fold of one variant: from features and splits to a model folder and test predictions."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import torch

from merflow.contracts.files import output_errors, replacing_folder
from merflow.contracts.params import TrainingParams
from merflow.contracts.protocols import PARTS
from merflow.contracts.tracker import NullTracker, Tracker
from merflow.features.standardize import Standardizer
from merflow.jobs import folds
from merflow.jobs.fold_inputs import FoldInputs
from merflow.jobs.progress import Progress, plain_lines, say
from merflow.jobs.tracking import fold_run
from merflow.models import MODELS
from merflow.models.folder import save_model
from merflow.training.loop import train_fold
from merflow.training.prediction import predict


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
    progress: Progress | None = None,
) -> Path:
    """Trains ``model:preset:fold`` and writes its folder (see ``jobs.folds``) to ``out``.

    The epoch is chosen on the development part; the test part is looked at once, at the end. A fold that died resumes
    from ``checkpoints``; a folder that already holds this very fold is kept.

    Args:
        item: ``model:preset:fold``.
        manifest: Validated manifest.
        splits: Its splits.
        features: What ``jobs.extract`` wrote.
        out: The fold's folder.
        checkpoints: Folder of unfinished folds, each below its fingerprint.
        params: Seed, device, precision, threads.
        run: The benchmark's run (``jobs.tracking``); None tracks nothing.
        progress: Told of epochs.

    Raises:
        PresetError: The item names no variant and fold.
        SplitError: The splits are of another manifest, or have no such fold.
        FeatureError: The store lacks a feature.
        TrainingError: The fold cannot be trained or resumed.
        OutputError: ``out`` or ``checkpoints`` cannot be written.
    """
    inputs = FoldInputs.read(item, manifest=manifest, splits=splits, features=features, params=params)
    if folds.is_whole(out, fingerprint=inputs.fingerprint):
        say(f"train {item}: done before, kept in {out}")
        shutil.rmtree(checkpoints / inputs.fingerprint, ignore_errors=True)
        return out
    tracked = None if run is None else fold_run(run, inputs)
    with tracked or nullcontext():
        tracker = tracked or NullTracker()
        _train(inputs, out=out, checkpoints=checkpoints, tracker=tracker, tell=progress or plain_lines())
    return out


def _train(inputs: FoldInputs, *, out: Path, checkpoints: Path, tracker: Tracker, tell: Progress) -> None:
    params, recipe = inputs.params, inputs.preset.recipe
    standardizer = Standardizer.fit(inputs.dataset("train"))
    parts = {part: inputs.dataset(part, standardizer=standardizer) for part in PARTS}
    torch.manual_seed(params.seed)
    model = MODELS[inputs.preset.model].model(inputs.config, shapes=parts["train"].shapes, classes=len(inputs.classes))
    workplace = checkpoints / inputs.fingerprint
    history = train_fold(
        model,
        train=parts["train"],
        dev=parts["dev"],
        recipe=recipe,
        params=params,
        folder=workplace,
        tracker=tracker,
        progress=lambda epoch, last, _: tell(f"train {inputs.item}", epoch, last),
    )
    probabilities = predict(model, parts["test"], batch_size=recipe.batch_size, params=params)
    with replacing_folder(out) as part, output_errors(out):
        folds.write_predictions(part, inputs, probabilities=probabilities)
        folds.write_history(part, history)
        save_model(part / folds.MODEL, model, inputs.card(shapes=parts["train"].shapes))
        standardizer.save(part / folds.MODEL / folds.STANDARDIZER)
        folds.write_facts(part, inputs, history)
    tracker.log_folder(out)
    shutil.rmtree(workplace, ignore_errors=True)
    say(f"train {inputs.item}: epoch {history.best_epoch} of {len(history.epochs)} chosen on development data")

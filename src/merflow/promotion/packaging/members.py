"""The models of a package: the fold models, or one refitted on the utterances of all folds."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.model_package import MEMBERS
from merflow.contracts.tracker import NullTracker
from merflow.folds.datasets import FoldDatasets
from merflow.folds.fit import fit
from merflow.folds.opening import inputs_of
from merflow.folds.record import fold_record, planned_fold
from merflow.folds.saving import save_trained
from merflow.promotion.packaging.benchmarked import BenchmarkedVariant
from merflow.promotion.packaging.chosen_epochs import epochs_of, stage_epochs
from merflow.runs.fold_folder import MODEL

# Called after each epoch with its number and the number of the last one.
Epoch = Callable[[int, int], None]


@dataclass(frozen=True)
class Made:
    """One model in the package.

    Attributes:
        folder: Its model folder, relative to the package.
        fold: The fold whose training part it was trained on; None for a refit.
        epochs: Number of epochs behind its weights.
    """

    folder: str
    record: FoldRecord
    fold: int | None
    epochs: int


def copy_folds(variant: BenchmarkedVariant, package: Path) -> list[Made]:
    """Copy the model folders of all folds and seeds into a package.

    Raises:
        OutputError: The package cannot be written.
        PromotionError: A fold is damaged.
    """
    made = []
    for number, fold in enumerate(variant.folds):
        folder = f"{MEMBERS}/{number:02}"
        shutil.copytree(fold.folder / MODEL, package / folder)
        made.append(Made(folder, fold.record, fold.record.fold, sum(epochs_of(fold))))
    return made


@dataclass(frozen=True)
class Refit:
    """A variant trained on the utterances of all folds.

    Attributes:
        checkpoint: Folder of its checkpoint; delete it once the model is stored permanently.
    """

    made: Made
    checkpoint: Path


def refit(variant: BenchmarkedVariant, package: Path, *, checkpoints: Path, device: str, epoch_done: Epoch) -> Refit:
    """Train the variant on the utterances of all folds, and write the model folder into a package.

    The number of epochs follows from the folds (:mod:`merflow.promotion.packaging.chosen_epochs`); seed, recipe and
    settings are those of the first fold. No data are set aside, so the model itself has no test results. An interrupted
    refit continues from its checkpoint, with the same result.

    Raises:
        TrainingError: The training diverged, or cannot be resumed.
        EvaluationError: The fold's data are missing, or there is no such device.
        OutputError: ``checkpoints`` or the package cannot be written.
    """
    epochs = stage_epochs(variant.folds)
    inputs = inputs_of(variant.folds[0].folder, **variant.files, device=device).refitted(epochs)
    datasets = FoldDatasets(inputs)
    checkpoint = checkpoints / inputs.fingerprint
    _, trained = fit(
        inputs,
        datasets,
        folder=checkpoint,
        tracker=NullTracker(),
        progress=lambda epoch, last, _: epoch_done(epoch, last),
    )
    record = fold_record(planned_fold(inputs), trained, shapes=datasets.shapes)
    folder = f"{MEMBERS}/00"
    save_trained(package / folder, trained.material.model, record, standardizer=datasets.standardizer)
    return Refit(Made(folder, record, None, record.epochs), checkpoint)

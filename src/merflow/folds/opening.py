"""A trained fold, opened with the test or development part of the data that it was trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from merflow.contracts.params import TrainingParams
from merflow.contracts.protocols import Part
from merflow.contracts.streams import Role
from merflow.errors import EvaluationError, TrainingError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.standardize import read_standardizer
from merflow.folds.datasets import raw_dataset, stored_dataset
from merflow.folds.inputs import FoldInputs
from merflow.folds.inspection import LoadedFold
from merflow.inference.devices import device_of
from merflow.inference.encoded import EncodedSource, has_encoders, load_encoded
from merflow.inference.prediction import predict
from merflow.inference.training_range import distances_of
from merflow.models.folder import load_model
from merflow.presets.user_presets import recorded_preset
from merflow.runs import fold_folder


def open_fold(fold: Path, *, manifest: Path, splits: Path, features: Path, device: str) -> LoadedFold:
    """Load a fold's model with the test part of the data that it was trained on.

    Raises:
        EvaluationError: The folder is not a trained fold, was trained on other data, or there is no such device.
        PresetError: This version of merflow ships no preset that its variant is based on.
        ModelError: Its model cannot be loaded.
    """
    inputs = inputs_of(fold, manifest=manifest, splits=splits, features=features, device=device)
    return LoadedFold.of(inputs, *_model_and_part(fold / fold_folder.MODEL, inputs, "test"))


@dataclass(frozen=True, eq=False)
class DevelopmentPart:
    """The development part of a trained fold, as its model sees it.

    Attributes:
        predictions: Its predictions, in the format of stored test predictions.
        distances: Distances of its utterances from the training data, by role; empty if features are not stored or
            not standardized.
    """

    predictions: pd.DataFrame
    distances: dict[Role, np.ndarray]


def development_part(fold: Path, *, manifest: Path, splits: Path, features: Path, device: str) -> DevelopmentPart:
    """Return the predictions of a trained fold for its development part, and the distances of its utterances.

    Raises:
        MerflowError: See :func:`open_fold`.
    """
    inputs = inputs_of(fold, manifest=manifest, splits=splits, features=features, device=device)
    record = fold_folder.read_record(fold)
    model, dev = _model_and_part(fold / fold_folder.MODEL, inputs, "dev")
    recipe = record.chosen_recipe
    predicted = predict(
        model,
        dev,
        task=inputs.task,
        batch_size=recipe.batch_size,
        params=inputs.params,
        precision=recipe.precision,
    )
    return DevelopmentPart(
        fold_folder.prediction_rows(record, inputs.labelled("dev"), predicted),
        distances_of(dev) if record.standardized and isinstance(dev, FeatureDataset) else {},
    )


def inputs_of(fold: Path, *, manifest: Path, splits: Path, features: Path, device: str) -> FoldInputs:
    """Read the inputs that a fold was trained on.

    Raises:
        EvaluationError: The folder is not a trained fold, was trained on other data, or there is no such device.
        PresetError: This version of merflow ships no preset that its variant is based on.
    """
    record = fold_folder.read_record(fold)
    params = record.training.model_copy(update={"device": device})
    _check_device(params)
    inputs = FoldInputs.read(
        str(record.fold_id),
        manifest=manifest,
        splits=splits,
        features=features,
        params=params,
        user_presets={record.variant: recorded_preset(record)},
    )
    for name, trained, given in (
        ("manifest_hash", record.manifest_hash, inputs.manifest.hash),
        ("split_id", record.split_id, inputs.splits.split_id),
        ("encoder_keys", record.encoder_keys, inputs.encoder_keys),
    ):
        if trained != given:
            raise EvaluationError(
                f"{fold} was trained with {name} {trained}, the given files have {given}; name the manifest, splits "
                "and features that it was trained on"
            )
    return inputs


def _check_device(params: TrainingParams) -> None:
    try:
        device_of(params)
    except TrainingError as error:  # its message names a parameter that this job does not have
        raise EvaluationError("torch sees no GPU; leave out --device cuda, or use --device auto") from error


def _model_and_part(folder: Path, inputs: FoldInputs, part: Part) -> tuple[nn.Module, FeatureDataset | EncodedSource]:
    """Load the model of a model folder, and a part of its fold encoded by its encoders."""
    model, record = load_model(folder)
    standardizer = read_standardizer(folder, standardized=record.standardized)
    if not has_encoders(folder):
        return model, stored_dataset(inputs, part, standardizer=standardizer)
    learned = load_encoded(folder, standardizer=standardizer, profile=inputs.profile)
    encoders = learned.encoders.to(device_of(inputs.params))
    raw = raw_dataset(inputs, part, record.chosen_recipe, standardizer=standardizer)
    return learned.model, EncodedSource(raw, encoders)

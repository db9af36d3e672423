"""A trained model with everything it needs to predict from recordings, video and text, loaded from its folder."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.presets import Profile
from merflow.contracts.streams import Modality, Role
from merflow.errors import ModelError
from merflow.features.batches.standardize import read_standardizer
from merflow.features.encoders.huggingface.checkpoints import relocated
from merflow.inference.encoded import has_encoders, load_encoded
from merflow.inference.media_batches import MediaEncoders
from merflow.inference.shared_encoders import SharedEncoders
from merflow.models import MODELS
from merflow.models.folder import load_model


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model and its encoders.

    Attributes:
        model: The model in evaluation mode, on the CPU; called on the batches of ``encoders``.
        encoders: Turns recordings, video and text into batches.
        record: Facts about the model, including its classes.
    """

    model: nn.Module
    encoders: MediaEncoders
    record: FoldRecord


def load_trained(
    folder: Path,
    *,
    encoders_folder: str = "",
    device: str = "auto",
    cost: Mapping[Modality, int] | None = None,
    shared: SharedEncoders | None = None,
) -> TrainedModel:
    """Load a model folder with its encoders.

    Args:
        folder: The model folder of a trained fold.
        encoders_folder: ``features.encoders_folder``: a folder with the pretrained encoders; empty for the hub's cache.
        device: Device of the frozen encoders: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
        cost: Modality -> highest cost of an encoder's padded batch; see :class:`MediaEncoders`.
        shared: Encoders shared with other models; None for this model alone.

    Raises:
        ModelError: A file is missing or damaged, or the files do not belong together.
        FeatureError: An encoder or the standardizer is missing, or cannot be read.
    """
    model, record = load_model(folder)
    standardizer = read_standardizer(folder, standardized=record.standardized)
    profile = _located_encoders(folder, record, encoders_folder=encoders_folder)
    learning: Collection[Role] = ()
    if has_encoders(folder):
        encoded = load_encoded(folder, standardizer=standardizer, profile=profile)
        model, learning = encoded, encoded.encoders.parts
    encoders = MediaEncoders(
        MODELS[record.model].configure(record.config).streams(),
        profile=profile,
        standardizer=standardizer,
        learning=learning,
        device=device,
        cost=cost,
        micro_batch=record.chosen_recipe.micro_batch,
        shared=shared,
    )
    return TrainedModel(model, encoders, record)


def _located_encoders(folder: Path, record: FoldRecord, *, encoders_folder: str) -> Profile:
    """Return the encoders that the record names, with their folders on this machine; refuse any others."""
    recorded = {role: encoder.spec for role, encoder in record.encoders.items()}
    profile = relocated(recorded, encoders_folder=encoders_folder)
    for role, spec in recorded.items():
        if profile[role].digest != spec.digest:
            raise ModelError(
                f"{folder} was trained with {spec.citation} (files {spec.digest}), but {profile[role].folder} holds "
                f"files {profile[role].digest}; restore that folder, or train again"
            )
    return profile

"""Models with random weights, which must be exported as exactly as trained ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.planned_fold import RecordedEncoder
from merflow.contracts.presets import Preset, Profile, spec_of
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.task import Classification
from merflow.features.batches.standardize import Standardizer
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.huggingface.checkpoints import located
from merflow.features.encoders.huggingface.networks import PARTS
from merflow.features.store.shards import entry_shape
from merflow.inference.encoded import EncodedModel
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.inference.ensemble import Ensemble
from merflow.inference.media_batches import MediaEncoders
from merflow.inference.shared_encoders import SharedEncoders
from merflow.inference.trained_model import TrainedModel
from merflow.models import MODELS
from merflow.presets import catalogue
from merflow.presets.profiles import fitted, shipped_profile
from tests.contracts.records import fold_record
from tests.promotion.packages import calibration

CLASSES = ("angry", "happy", "neutral", "sad")
TEMPERATURE = 0.5  # of random weights, whose logits are near each other: differences double


def untrained(variant: str, *, profile: str, encoders: Path, members: int = 1) -> Ensemble:
    """Return an ensemble of random models; encoders that a preset fine-tunes are moved away from the published ones.

    Args:
        variant: ``model:preset``.
        profile: ``lite``, or ``tiny`` for encoders in ``encoders``.
        encoders: Folder of the miniatures.
        members: Number of models.
    """
    read = shipped_profile(profile)
    preset = fitted(catalogue.preset(variant), read)
    streams = MODELS[preset.model].configure(preset.config).streams()
    found = located(read.roles, streams=streams, encoders_folder=str(encoders))
    shapes = {each.role: build_encoder(spec_of(each, found), each, device="cpu").shape for each in streams}
    shared = SharedEncoders()
    made = tuple(
        _member(preset, streams, found, shapes, standardizes=read.standardize, shared=shared, seed=seed)
        for seed in range(members)
    )
    calibrated = calibration().model_copy(update={"temperature": TEMPERATURE, "thresholds": {ANY_GROUP: 0.2}})
    return Ensemble(made, calibrated, "cpu", shared)


def _member(
    preset: Preset,
    streams: Sequence[Stream],
    profile: Profile,
    shapes: Mapping[Role, StreamShape],
    *,
    standardizes: bool,
    shared: SharedEncoders,
    seed: int,
) -> TrainedModel:
    torch.manual_seed(seed)
    standardizer = _statistics(shapes, seed=seed) if standardizes else None
    config = MODELS[preset.model].configure(preset.config)
    model = MODELS[preset.model].model(config, shapes=shapes, task=Classification(CLASSES)).eval()
    parts = preset.recipes[-1].encoders if all(spec.name in PARTS for spec in profile.values()) else {}
    learning = {stream.role: parts[stream.role] for stream in streams if stream.role in parts}
    if learning:
        encoders = EncodersInGraph(streams, profile=profile, learning=learning, standardizer=standardizer)
        with torch.no_grad():
            for value in encoders.learning.values():
                value.add_(torch.randn_like(value), alpha=0.01)
        model = EncodedModel(encoders, model).eval()
    media = MediaEncoders(
        streams, profile=profile, standardizer=standardizer, learning=learning, device="cpu", shared=shared
    )
    record = fold_record(
        model=preset.model,
        preset=preset.name,
        config=preset.config,
        classes=CLASSES,
        standardized=standardizes,
        shapes=shapes,
        encoders={
            stream.role: RecordedEncoder(key="e" * 16, spec=spec_of(stream, profile), of_paper=False)
            for stream in streams
        },
    )
    return TrainedModel(model, media, record)


def _statistics(shapes: Mapping[Role, StreamShape], *, seed: int) -> Standardizer:
    random = np.random.default_rng(seed)
    entries = {role: entry_shape(shape) for role, shape in shapes.items()}
    return Standardizer(
        mean={role: random.normal(0, 0.1, entry).astype(np.float32) for role, entry in entries.items()},
        deviation={role: random.uniform(0.5, 2, entry).astype(np.float32) for role, entry in entries.items()},
    )

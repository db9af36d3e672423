"""A model card for tests."""

from collections.abc import Mapping

from merflow.contracts.presets import EncoderSpec, Preset
from merflow.contracts.streams import Role, StreamShape
from merflow.models.folder import ModelCard
from tests.models.batches import SMALL

CLASS_NAMES = ("angry", "happy", "neutral", "sad")


def card_of(preset: Preset, *, shapes: Mapping[Role, StreamShape]) -> ModelCard:
    """The card of a preset trained on nothing, at the sizes of tests."""
    return ModelCard(
        model=preset.model,
        preset=preset.name,
        config=preset.config | SMALL.get(preset.model, {}),
        shapes=dict(shapes),
        taxonomy="iemocap4",
        classes=CLASS_NAMES,
        profile={role: EncoderSpec(name=f"lite-{role}", settings={"dims": 8}) for role in shapes},
        encoder_keys=dict.fromkeys(shapes, "0123456789abcdef"),
        transcripts="truth",
        corpus="synthetic",
        manifest_hash="0" * 16,
        split_id="1" * 16,
        split_params={"protocol": "session-5fold", "development": "speaker", "seed": 0},
        data_md5={"manifest": "0" * 32, "splits": "1" * 32},
        fold=1,
        seed=0,
        git_commit="",
        merflow_version="0.1.0",
        recipe=preset.recipe.model_dump(),
        params={"training": {"seed": 0}},
        selection=preset.recipe.monitor,
        stages=("frozen",),
    )

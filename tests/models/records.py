"""The record of a preset, for tests of models."""

from collections.abc import Mapping

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.planned_fold import RecordedEncoder
from merflow.contracts.presets import EncoderSpec, Preset
from merflow.contracts.streams import Role, StreamShape
from tests.contracts.records import fold_record
from tests.models.batches import SMALL


def record_of(preset: Preset, *, shapes: Mapping[Role, StreamShape]) -> FoldRecord:
    """Return the record of an untrained preset, at the tests' sizes."""
    return fold_record(
        model=preset.model,
        preset=preset.name,
        config=preset.config | SMALL.get(preset.model, {}),
        shapes=dict(shapes),
        recipes=preset.recipes,
        encoders={
            role: RecordedEncoder(
                key="0123456789abcdef", spec=EncoderSpec(name=f"lite-{role}", settings={"dims": 8}), of_paper=False
            )
            for role in shapes
        },
    )

"""Presets with their models: those of one's own checked, and each by content.

A file of one's own is read and checked before any work. The content of a preset is what it reads, and what its
trainings stand on. Extraction asks a preset's model which streams it reads, and training builds that one model. Stages
and cached steps stand on these answers instead of on the code of all models, so that an edited model encodes nothing
anew and no other model trains again.
"""

import inspect
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from merflow.contracts.presets import Preset, UserPresets
from merflow.contracts.progress import say
from merflow.models import MODELS, ModelConfig
from merflow.presets import catalogue
from merflow.presets.plan import chosen
from merflow.presets.user_presets import parse_user_presets, read_each, read_user_presets
from merflow.runs.provenance import code_digest, source_digest
from merflow.storage.local import digest, replacing_folder, write_json

STREAMS = "streams"
TRAINING = "training"
# Steps of a pipeline that are cached by what their code was.
_STEPS = ("plan", "index", "validate", "transcribe", "split", "extract", "train", "tune", "evaluate")


def read_presets(path: Path | None, *, profile: str | None = None) -> dict[str, Preset]:
    """The presets of a file of one's own, whose models take their configs; none without one.

    Args:
        path: What ``--presets`` names.
        profile: Also with the sizes that models have on this profile's encoders.

    Raises:
        MerflowError: As :func:`merflow.presets.user_presets.read_own`.
        PresetError: A key or value of a config is wrong; file, variant and key are named.
    """
    return _fitting(read_user_presets(path), profile=profile, where=str(path))


def parse_presets(text: str, *, where: str, profile: str | None = None) -> dict[str, Preset]:
    """As :func:`read_presets`, of a file's text."""
    return _fitting(parse_user_presets(text, where=where), profile=profile, where=where)


def _fitting(user_presets: UserPresets, *, profile: str | None, where: str) -> dict[str, Preset]:
    def check(variant: str, preset: Preset) -> Preset:
        configure = MODELS[preset.model].configure
        configure(preset.config, where=f"{where}: {variant}, config")
        if profile is not None:
            fitted = catalogue.fitted(preset, profile)
            configure(fitted.config, where=f"{where}: {variant}, config on profile {profile}")
        return preset

    return read_each(user_presets, check)


def write_presets(out: Path) -> None:
    """Writes ``streams/<variant>.json`` and ``training/<variant>.json`` of every preset below ``out``.

    Raises:
        OutputError: The folder cannot be written.
    """
    found = catalogue.presets()
    with replacing_folder(out) as part:
        for variant, preset in found.items():
            write_json(part / STREAMS / f"{variant}.json", streams_of(preset))
            write_json(part / TRAINING / f"{variant}.json", training_of(preset))
    say(f"presets: {len(found)} in {out}")


def streams_of(preset: Preset) -> list[dict[str, Any]]:
    """What the preset asks of the data: all that extraction wants to know of a model."""
    return [asdict(stream) for stream in _config(preset).streams()]


def training_of(preset: Preset) -> dict[str, Any]:
    """By profile the model's whole config and the recipes, and a digest of the model's own code."""
    fitted = {name: catalogue.fitted(preset, name) for name in catalogue.profiles()}
    return {
        "profiles": {
            name: {
                "config": asdict(cast("Any", _config(found))),
                "recipes": [recipe.model_dump() for recipe in found.recipes],
            }
            for name, found in fitted.items()
        },
        "code": model_code(preset.model),
    }


def model_code(model: str) -> str:
    """16 hexadecimal digits over the file of one model; what models share is in the closure of ``train``."""
    return source_digest([Path(inspect.getfile(MODELS[model].model))])


def step_digests(variants: Sequence[str], user_presets: UserPresets | None = None) -> dict[str, str]:
    """Of every step of a pipeline over these variants, a digest of what its result stands on beside its inputs.

    Raises:
        PresetError: None given, one given twice, or one unknown.
    """
    presets = chosen(variants, user_presets)
    asked = {
        "extract": [streams_of(preset) for preset in presets],
        "train": [training_of(preset) for preset in presets],
        "tune": [training_of(preset) for preset in presets],
    }
    return {step: digest([code_digest(step), asked[step]]) if step in asked else code_digest(step) for step in _STEPS}


def _config(preset: Preset) -> ModelConfig:
    return MODELS[preset.model].configure(preset.config)

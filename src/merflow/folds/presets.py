"""Presets together with their models: checks of user presets, and digests of every preset's content.

A user's file is read and checked before any work. A preset's content is the streams that its model reads, and
everything that its training depends on. DVC stages and cached pipeline steps depend on this content instead of on the
code of all models: editing a model does not extract features again or train any other model again.
"""

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from merflow.contracts.presets import EncoderProfile, Preset, UserPresets
from merflow.contracts.progress import say
from merflow.models import MODELS, ModelConfig
from merflow.presets import catalogue
from merflow.presets.profiles import fitted, shipped_profile, shipped_profiles
from merflow.presets.user_presets import parse_user_presets, read_each, read_user_presets
from merflow.runs.code_closure import source_digest
from merflow.storage.local import replacing_folder, write_json

STREAMS = "streams"
TRAINING = "training"


def read_presets(path: Path | None, *, profile: EncoderProfile | None = None) -> dict[str, Preset]:
    """Read the user's presets and check each config with its model; without a file, return none.

    Args:
        path: The file; None for no user presets.
        profile: Also check the configs with the sizes that models have on this profile.

    Raises:
        MerflowError: The file cannot be read; see :func:`merflow.presets.user_presets.read_user_presets`.
        PresetError: A key or value of a config is wrong; the message names file, variant and key.
    """
    return _fitting(read_user_presets(path), profile=profile, where=str(path))


def parse_presets(text: str, *, where: str, profile: EncoderProfile | None = None) -> dict[str, Preset]:
    """Parse presets from text; see :func:`read_presets`."""
    return _fitting(parse_user_presets(text, where=where), profile=profile, where=where)


def _fitting(user_presets: UserPresets, *, profile: EncoderProfile | None, where: str) -> dict[str, Preset]:
    def check(variant: str, preset: Preset) -> Preset:
        configure = MODELS[preset.model].configure
        configure(preset.config, where=f"{where}: {variant}, config")
        if profile is not None:
            configure(fitted(preset, profile).config, where=f"{where}: {variant}, config on profile {profile.name}")
        return preset

    return read_each(user_presets, check)


def write_presets(out: Path) -> None:
    """Write ``streams/<variant>.json`` and ``training/<variant>.json`` of every preset below ``out``.

    Raises:
        OutputError: The folder cannot be written.
    """
    presets = catalogue.presets()
    with replacing_folder(out) as part:
        for variant, preset in presets.items():
            write_json(part / STREAMS / f"{variant}.json", streams_of(preset))
            write_json(part / TRAINING / f"{variant}.json", training_of(preset))
    say(f"presets: {len(presets)} in {out}")


def streams_of(preset: Preset) -> list[dict[str, Any]]:
    """Return the streams that the preset's model reads, which is all that extraction needs to know about it."""
    return [asdict(stream) for stream in _config(preset).streams()]


def training_of(preset: Preset) -> dict[str, Any]:
    """Return the model's whole config and recipes for each profile, and a digest of the model's own code.

    There are recipes for fine-tuned encoders and for frozen ones; ``scores`` holds the differences for a score.
    """
    profiles = {name: shipped_profile(name) for name in shipped_profiles()}
    on_profiles = {name: fitted(preset, profile) for name, profile in profiles.items()}
    frozen = {name: fitted(preset.on_stored_features(), profile) for name, profile in profiles.items()}
    return {
        "profiles": {
            name: {
                "config": asdict(cast("Any", _config(sized))),
                "recipes": [recipe.model_dump() for recipe in sized.recipes],
                "recipes_of_frozen_encoders": [recipe.model_dump() for recipe in frozen[name].recipes],
                "standardized": profiles[name].standardize,
            }
            for name, sized in on_profiles.items()
        },
        "scores": preset.scores,
        "code": model_code(preset.model),
    }


def model_code(model: str) -> str:
    """Return 16 hexadecimal digits over one model's file; code that models share is in the digest of ``train``."""
    return source_digest([Path(inspect.getfile(MODELS[model].model))])


def _config(preset: Preset) -> ModelConfig:
    return MODELS[preset.model].configure(preset.config)

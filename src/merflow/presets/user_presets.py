"""The user's presets: a file, written by hand or by ``merflow tune``, that changes settings of a paper's presets.

A user's preset has its own name and says which preset it is based on; the papers' presets are not changed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import Field

from merflow.contracts.planned_fold import PlannedFold
from merflow.contracts.presets import Preset, parse_variant
from merflow.contracts.recipe import Recipe
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError, PresetError
from merflow.presets import catalogue
from merflow.presets.user_files import described, file_text, yaml_of
from merflow.storage.local import replacing

Entry = TypeVar("Entry")
_SHAPE = (
    "write `presets:`, below it `MODEL:NAME:`, below that `base: MODEL:PRESET` and the settings that differ, as in "
    "presets: {mfdr:mine: {base: mfdr:full, config: {dims: 128}, stages: [{lr: 0.001}]}}"
)


class UserPreset(Strict):
    """One preset.

    Attributes:
        base: The variant that it is based on.
        config: Settings that differ in the model's config.
        stages: Settings that differ in the recipes, one entry per stage; the last stages may be left out.
        tuned: Record of the study and the trial that made these settings; it is saved with every trained fold.
    """

    base: str
    config: dict[str, Any] = Field(default_factory=dict)
    stages: list[dict[str, Any]] = Field(default_factory=list)
    tuned: dict[str, Any] = Field(default_factory=dict)


class UserPresetFile(Strict):
    """The file: presets by variant."""

    presets: dict[str, UserPreset]


def read_user_presets(path: Path | None) -> dict[str, Preset]:
    """Return the presets in a file, or none without a file; ``folds.presets`` checks their configs.

    Raises:
        PresetError: The file is missing, empty or invalid; see :func:`parse_user_presets`.
        ParamsError: A key of an entry is wrong.
    """
    if path is None:
        return {}
    text = presets_text(path)
    if not text.strip():
        raise PresetError(f"{path} is empty; {_SHAPE}")
    return parse_user_presets(text, where=str(path))


def presets_text(path: Path | None) -> str:
    """Return the text of a presets file, or an empty string without a file.

    Raises:
        PresetError: The file is missing or cannot be read.
    """
    if path is None:
        return ""
    return file_text(path, kind="presets", option="--presets")


def parse_user_presets(text: str, *, where: str) -> dict[str, Preset]:
    """Parse presets from the text of a file, by variant; an empty string has none.

    Raises:
        PresetError: The text is not YAML or holds no presets, a base is unknown, a name belongs to a shipped preset or
            to another model, or a recipe is wrong.
        ParamsError: A key of an entry is wrong.
    """
    if not text.strip():
        return {}
    values = yaml_of(text, where=where, shape=_SHAPE)
    if not isinstance(values, dict) or not isinstance(values.get("presets", {}), dict):
        content = values["presets"] if isinstance(values, dict) else values
        raise PresetError(f"{where} holds {described(content)} instead of presets; {_SHAPE}")
    file = parse(UserPresetFile, values, where=where)
    return read_each(file.presets, lambda variant, entry: _preset(variant, entry, where=where))


def recorded_preset(record: PlannedFold) -> Preset:
    """Return the preset that a fold was trained with: a shipped one, or the user's preset in the record.

    Raises:
        PresetError: This version of merflow ships no such preset, or not the one that it is based on.
    """
    variant, origin = record.variant, record.origin
    if origin is None:
        return catalogue.preset(variant)
    entry = UserPreset(base=origin.base, config=record.config, stages=list(origin.changes), tuned=origin.tuned)
    return _preset(variant, entry, where=f"the record of {record.fold_id}")


def read_each(entries: Mapping[str, Entry], read: Callable[[str, Entry], Preset]) -> dict[str, Preset]:
    """Return the preset of every entry by variant, and report the problems of all entries together.

    Raises:
        PresetError: ``read`` raised one, or a ParamsError, for at least one entry.
    """
    presets, problems = {}, []
    for variant, entry in entries.items():
        try:
            presets[variant] = read(variant, entry)
        except (ParamsError, PresetError) as error:
            problems.append(str(error))
    if problems:
        raise PresetError("\n".join(dict.fromkeys(problems)))
    return presets


def write_user_presets(path: Path, entries: Mapping[str, UserPreset]) -> None:
    """Write a presets file, completely or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    values = {"presets": {variant: entry.model_dump() for variant, entry in entries.items()}}
    with replacing(path) as part:
        part.write_text(
            "# Written by `merflow tune`. Pass it to train, benchmark and other commands as --presets FILE.\n"
            + yaml.safe_dump(values, sort_keys=False, width=120),
            encoding="utf-8",
        )


def user_preset_name(variant: str, *, where: str) -> tuple[str, str]:
    """Return the model and the preset name in a user's variant.

    Raises:
        PresetError: The variant does not have the form ``model:preset``, or is one that merflow ships.
    """
    model, name = parse_variant(variant)
    if variant in catalogue.presets() or variant in catalogue.unavailable():
        raise PresetError(f"{where}: {variant} is a preset that merflow ships; give yours another name")
    return model, name


def _preset(variant: str, entry: UserPreset, *, where: str) -> Preset:
    model, name = user_preset_name(variant, where=where)
    try:
        base = catalogue.preset(entry.base)
    except PresetError as error:
        raise PresetError(f"{where}: {variant}, base: {error}") from error
    if base.model != model:
        raise PresetError(
            f"{where}: {variant} is based on {entry.base}, a preset of another model; name it {base.model}:{name}"
        )
    if len(entry.stages) > len(base.recipes):
        raise PresetError(
            f"{where}: {variant} has {len(entry.stages)} stages, but {entry.base} has {len(base.recipes)}; "
            "leave out the last"
        )
    changes = [*entry.stages, *({} for _ in base.recipes[len(entry.stages) :])]
    return replace(
        base,
        name=name,
        config=base.config | entry.config,
        recipes=tuple(
            parse(Recipe, recipe.model_dump() | change, where=f"{where}: {variant}, stage {number}")
            for number, (recipe, change) in enumerate(zip(base.recipes, changes, strict=True), start=1)
        ),
        base=entry.base,
        changes=tuple(changes),
        tuned=json.loads(json.dumps(entry.tuned, default=str)),  # YAML has dates
    )

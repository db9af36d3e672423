"""Presets of one's own, made from a paper's by changing some settings: a file that ``merflow tune`` or a person writes.

The papers' rows stay what they are: a preset of one's own has a name of its own, and says which row it is made from.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import Field

from merflow.contracts.presets import Preset, parse_variant
from merflow.contracts.recipe import Recipe
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError, PresetError
from merflow.presets import catalogue
from merflow.storage.local import replacing

Entry = TypeVar("Entry")
_SHAPE = (
    "write `presets:`, below it `MODEL:NAME:`, below that `base: MODEL:PRESET` and what differs from it, as in "
    "presets: {mfdr:mine: {base: mfdr:full, config: {dims: 128}, stages: [{lr: 0.001}]}}"
)


class UserPreset(Strict):
    """One preset.

    Attributes:
        base: The variant that it is made from.
        config: What differs in the model's config.
        stages: What differs in the recipes, stage by stage; stages that are left out are the base's.
        tuned: How these settings were found: a study, its trial and so on. It goes into the records of what is trained.
    """

    base: str
    config: dict[str, Any] = Field(default_factory=dict)
    stages: list[dict[str, Any]] = Field(default_factory=list)
    tuned: dict[str, Any] = Field(default_factory=dict)


class OwnFile(Strict):
    """Presets by variant name."""

    presets: dict[str, UserPreset]


def read_user_presets(path: Path | None) -> dict[str, Preset]:
    """The presets of a file; none without one. Their configs are checked where models are known, in ``jobs.presets``.

    Raises:
        MerflowError: The file is missing or empty, or as :func:`parse_own` raises.
    """
    if path is None:
        return {}
    text = own_text(path)
    if not text.strip():
        raise PresetError(f"{path} is empty; {_SHAPE}")
    return parse_user_presets(text, where=str(path))


def own_text(path: Path | None) -> str:
    """What the file says; empty without one.

    Raises:
        PresetError: It is missing or cannot be read.
    """
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PresetError(f"no such file: {path}; name one that you or `merflow tune` wrote with --presets") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"cannot read presets {path} ({error}); name a file that `merflow tune` wrote") from error


def parse_user_presets(text: str, *, where: str) -> dict[str, Preset]:
    """The presets of a file's text by variant name; none of an empty one.

    Raises:
        PresetError: The text is no YAML or no presets, a base is unknown, a name is a shipped preset's or another
            model's, or a recipe is wrong.
        ParamsError: A key of an entry is wrong.
    """
    if not text.strip():
        return {}
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PresetError(f"{where} is no YAML: {_yaml_problem(error)}; {_SHAPE}") from error
    if not isinstance(values, dict) or not isinstance(values.get("presets", {}), dict):
        found = values["presets"] if isinstance(values, dict) else values
        raise PresetError(f"{where} holds no presets but {_kind(found)}; {_SHAPE}")
    content = parse(OwnFile, values, where=where)
    return each_sound(content.presets, lambda variant, entry: _preset(variant, entry, where=where))


def each_sound(entries: Mapping[str, Entry], read: Callable[[str, Entry], Preset]) -> dict[str, Preset]:
    """Every entry's preset; the problems of all entries are reported together.

    Raises:
        PresetError: Of what ``read`` raises.
    """
    found, problems = {}, []
    for variant, entry in entries.items():
        try:
            found[variant] = read(variant, entry)
        except (ParamsError, PresetError) as error:
            problems.append(str(error))
    if problems:
        raise PresetError("\n".join(dict.fromkeys(problems)))
    return found


def write_user_presets(path: Path, entries: Mapping[str, UserPreset]) -> None:
    """A file of these presets, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    values = {"presets": {variant: entry.model_dump() for variant, entry in entries.items()}}
    with replacing(path) as part:
        part.write_text(
            "# Written by `merflow tune`; `--presets FILE` of train, benchmark and others reads it.\n"
            + yaml.safe_dump(values, sort_keys=False, width=120),
            encoding="utf-8",
        )


def user_preset_name(variant: str, *, where: str) -> tuple[str, str]:
    """Model and name of a preset of one's own.

    Raises:
        PresetError: The name is of no such form, or is a paper's row.
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
        raise PresetError(f"{where}: {variant} is made from {entry.base}, another model; name it {base.model}:{name}")
    if len(entry.stages) > len(base.recipes):
        raise PresetError(
            f"{where}: {variant} has {len(entry.stages)} stages, {entry.base} {len(base.recipes)}; leave some out"
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
        tuned=json.loads(json.dumps(entry.tuned, default=str)),  # YAML knows dates
    )


def _yaml_problem(error: yaml.YAMLError) -> str:
    """On one line, with its place."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


def _kind(value: object) -> str:
    """What was found, for people."""
    kinds = {dict: "a mapping", list: "a list", str: f"the text {str(value)[:40]!r}", type(None): "nothing"}
    return kinds.get(type(value), repr(value))

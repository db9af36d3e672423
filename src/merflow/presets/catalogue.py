"""Every preset and encoder profile that merflow knows, read from the YAML files beside this module.

``published.csv`` holds the papers' own numbers; they are quoted beside ours and enter no computation.
"""

import csv
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from merflow.contracts.presets import (
    EncoderSpec,
    Paper,
    Preset,
    Profile,
    PublishedRow,
    PublishedTable,
    UserPresets,
    parse_variant,
)
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import PRETRAINED_ENCODERS, ROLES, Modality
from merflow.contracts.strict import Strict, parse
from merflow.errors import PresetError, nearest

_FOLDER = files("merflow.presets")
_MODEL_FILES = ("context-mmt.yaml", "foal-net.yaml", "gia-mic.yaml", "layer-adapter-fusion.yaml", "mfdr.yaml")
_METRICS = ("WA", "UA", "F1")
_PRINTED = (*_METRICS, "ACC7", "ACC2")


class _PresetEntry(Strict):
    """One preset. A stage is a policy's name, or a mapping with a policy and what differs in this preset's stage."""

    table: str
    inputs: list[Modality]
    stages: list[str | dict[str, Any]] = Field(min_length=1)
    config: dict[str, Any]
    recipe: dict[str, Any] = Field(default_factory=dict)


class _ModelFile(Strict):
    """One paper: the recipe of all stages, by policy what differs in its stages, and the presets.

    Rows of its tables that nobody can train are ``unavailable``, with the reason.
    """

    model: str
    paper: Paper
    recipe: dict[str, Any]
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    presets: dict[str, _PresetEntry]
    unavailable: dict[str, str] = Field(default_factory=dict)


class _Fit(Strict):
    """What differs in a model's config, and in the recipes of all its presets, on the encoders of a profile."""

    config: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)


class _ProfileFile(Strict):
    """Encoders by role, or by ``role/encoder`` where papers differ; a role may then point to one of its encoders.

    ``models`` are those whose sizes would be out of proportion to these encoders.
    """

    roles: dict[str, EncoderSpec | str]
    models: dict[str, _Fit] = Field(default_factory=dict)


@cache
def presets() -> dict[str, Preset]:
    """All presets by variant name (``model:preset``), in the order of the papers' tables."""
    published = _published()
    found: dict[str, Preset] = {}
    for name, content in _model_files().items():
        for preset_name, entry in content.presets.items():
            preset = Preset(
                model=content.model,
                name=preset_name,
                paper=content.paper,
                table=entry.table,
                inputs=tuple(entry.inputs),
                config=entry.config,
                recipes=_recipes(content, entry, where=f"{name}: {preset_name}"),
                published=published.get((content.model, preset_name), {}),
            )
            found[preset.variant] = preset
    return found


def unavailable() -> dict[str, str]:
    """Rows of the papers' tables that are no presets, by variant name, and why."""
    return {
        f"{content.model}:{row}": reason
        for content in _model_files().values()
        for row, reason in content.unavailable.items()
    }


def preset(variant: str, user_presets: UserPresets | None = None) -> Preset:
    """The preset of a variant.

    Args:
        variant: ``model:preset``.
        user_presets: Presets of one's own, beside those that merflow ships; None where the caller takes none.

    Raises:
        PresetError: No such model or preset; the nearest is named.
    """
    parse_variant(variant)
    known = presets() | dict(user_presets or {})
    if variant in unavailable():
        raise PresetError(
            f"variant {variant!r} cannot be trained: {unavailable()[variant]} (merflow presets lists others)"
        )
    if variant not in known:
        others = "" if user_presets is None else "; --presets FILE adds your own"
        raise PresetError(
            f"unknown variant {variant!r}; {nearest(variant, known)} (merflow presets lists them{others})"
        )
    return known[variant]


def trained_preset(variant: str, user_presets: UserPresets | None) -> Preset:
    """As :func:`preset`, of a variant that was trained: one that does not ship was a preset of one's own.

    Raises:
        PresetError: It neither ships nor is among those given.
    """
    if variant in presets() or variant in (user_presets or {}):
        return preset(variant, user_presets)
    raise PresetError(
        f"unknown variant {variant!r}: a preset of your own needs --presets FILE, the file that it was trained with "
        "(merflow presets lists those that ship)"
    )


def published_tables() -> tuple[PublishedTable, ...]:
    """Every table of the papers that presets are rows of, in the papers' order of tables and rows."""
    papers = {content.model: content.paper for content in _model_files().values()}
    rows: dict[tuple[str, str], list[PublishedRow]] = {}
    for row in _published_rows():
        rows.setdefault((row["model"], row["table"]), []).append(
            PublishedRow(
                variant=f"{row['model']}:{row['preset']}",
                dataset=row["dataset"],
                protocol=row["protocol"],
                inputs=row["inputs"],
                figures={metric: float(row[metric]) for metric in _PRINTED if row[metric]},
                note=row["note"],
            )
        )
    return tuple(
        PublishedTable(model, papers[model], number, tuple(found)) for (model, number), found in sorted(rows.items())
    )


def profiles() -> list[str]:
    """Names of the encoder profiles."""
    return sorted(Path(entry.name).stem for entry in (_FOLDER / "profiles").iterdir() if entry.name.endswith(".yaml"))


def profile(name: str) -> Profile:
    """The encoders of a profile by role, and by ``role/encoder`` where it holds several of a role.

    Raises:
        PresetError: No such profile, or one that names an unknown role or encoder.
    """
    slots = _profile_file(name).roles
    found: Profile = {}
    for slot, spec in slots.items():
        role, slash, encoder = slot.partition("/")
        if role not in ROLES:
            raise PresetError(f"profile {name}: unknown role {role!r}; {nearest(role, ROLES)}")
        if slash and encoder not in PRETRAINED_ENCODERS:
            raise PresetError(f"profile {name}: unknown encoder {slot!r}; {nearest(encoder, PRETRAINED_ENCODERS)}")
        target = slots.get(spec) if isinstance(spec, str) else spec
        if not isinstance(target, EncoderSpec):
            raise PresetError(f"profile {name}: {slot} points to {spec!r}; {nearest(str(spec), slots)}")
        found[slot] = target
    return {slot: found[slot] for role in ROLES for slot in found if slot.partition("/")[0] == role}


def fitted(preset: Preset, profile_name: str) -> Preset:
    """The preset as it is trained on a profile's encoders: small encoders get a small model.

    What a preset's config sets itself stays as it is, and what the recipe of one of one's own does: also where it is
    the paper's value.

    Raises:
        PresetError: No such profile.
    """
    fit = _profile_file(profile_name).models.get(preset.model, _Fit())
    changes = preset.changes or ({},) * len(preset.recipes)
    recipes = tuple(
        parse(Recipe, recipe.model_dump() | fit.recipe | change, where=f"{preset.variant} on profile {profile_name}")
        for recipe, change in zip(preset.recipes, changes, strict=True)
    )
    return replace(preset, config=fit.config | preset.config, recipes=recipes)


def _profile_file(name: str) -> _ProfileFile:
    if name not in profiles():
        raise PresetError(f"unknown encoder profile {name!r}; {nearest(name, profiles())}")
    found = parse(_ProfileFile, _yaml(f"profiles/{name}.yaml"), where=f"profile {name}")
    known = {content.model for content in _model_files().values()}
    for model in found.models:
        if model not in known:
            raise PresetError(f"profile {name}: unknown model {model!r}; {nearest(model, known)}")
    return found


@cache
def _model_files() -> dict[str, _ModelFile]:
    """All papers by file name."""
    return {name: parse(_ModelFile, _yaml(name), where=name) for name in _MODEL_FILES}


def _recipes(content: _ModelFile, entry: _PresetEntry, *, where: str) -> tuple[Recipe, ...]:
    """One recipe a stage: the model's, the policy's, the preset's, the preset's stage's, the later the stronger."""
    stages = [{"policy": stage} if isinstance(stage, str) else stage for stage in entry.stages]
    return tuple(
        parse(
            Recipe,
            content.recipe | content.stages.get(str(stage.get("policy")), {}) | entry.recipe | stage,
            where=f"{where}, stage {number}",
        )
        for number, stage in enumerate(stages, start=1)
    )


def _yaml(name: str) -> Any:  # noqa: ANN401 - parsed by the caller
    return yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))


def _published() -> dict[tuple[str, str], dict[str, float]]:
    """Percentages as printed, by model and preset; the five-fold row where a table has several protocols."""
    rows = [row for row in _published_rows() if row["dataset"].startswith("iemocap4")]
    rows.sort(key=lambda row: row["protocol"] != "session-5fold")
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        figures = {metric: float(row[metric]) for metric in _METRICS if row[metric]}
        found.setdefault((row["model"], row["preset"]), figures)
    return found


def _published_rows() -> list[dict[str, str]]:
    lines = (_FOLDER / "published.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(lines))

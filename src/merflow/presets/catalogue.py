"""The presets that merflow ships, read from the YAML files next to this module.

Every ``<model>.yaml`` in this folder is one model; nothing else lists them.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import Field

from merflow.contracts.presets import (
    Preset,
    UserPresets,
    parse_variant,
)
from merflow.contracts.published import Paper, PublishedTable
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import Modality
from merflow.contracts.strict import Strict, parse
from merflow.errors import PresetError, nearest
from merflow.presets.published import figures_of, tables_of

_FOLDER = files("merflow.presets")


class _PresetEntry(Strict):
    """One preset. A stage is the name of a policy, or a mapping of a policy and the settings that differ from it."""

    table: str
    inputs: list[Modality]
    stages: list[str | dict[str, Any]] = Field(min_length=1)
    config: dict[str, Any]
    recipe: dict[str, Any] = Field(default_factory=dict)


class _ModelFile(Strict):
    """The file of one model.

    Attributes:
        recipe: Recipe of every stage.
        stages: Policy -> settings of the recipe that differ in stages of this policy.
        scores: Settings of the recipe that differ if the model predicts a score.
        frozen: Settings of the recipe that differ if encoders that should be fine-tuned are frozen
            (``training.encoders: frozen``, or encoders that cannot be fine-tuned).
        presets: Presets by name.
        unavailable: Rows of the paper's tables that cannot be trained, with the reason.
    """

    model: str
    paper: Paper
    recipe: dict[str, Any]
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    scores: dict[str, Any]
    frozen: dict[str, Any] = Field(default_factory=dict)
    presets: dict[str, _PresetEntry]
    unavailable: dict[str, str] = Field(default_factory=dict)


@cache
def presets() -> dict[str, Preset]:
    """Return all presets by variant (``model:preset``), in the order of the files and of their presets."""
    shipped: dict[str, Preset] = {}
    for name, content in _model_files().items():
        for preset_name, entry in content.presets.items():
            recipes = _recipes(content, entry, where=f"{name}: {preset_name}")
            preset = Preset(
                model=content.model,
                name=preset_name,
                paper=content.paper,
                table=entry.table,
                inputs=tuple(entry.inputs),
                config=entry.config,
                recipes=recipes,
                asked=tuple(recipe.policy for recipe in recipes),
                scores=content.scores,
                frozen=content.frozen,
                published=figures_of(f"{content.model}:{preset_name}"),
            )
            shipped[preset.variant] = preset
    return shipped


def unavailable() -> dict[str, str]:
    """Return the rows of the papers' tables that cannot be trained, by variant, with the reason."""
    return {
        f"{content.model}:{row}": reason
        for content in _model_files().values()
        for row, reason in content.unavailable.items()
    }


def preset(variant: str, user_presets: UserPresets | None = None) -> Preset:
    """Return the preset of a variant.

    Args:
        variant: ``model:preset``.
        user_presets: The user's presets, in addition to those that merflow ships; None for a caller that takes none.

    Raises:
        PresetError: No such model or preset exists; the message names the nearest.
    """
    parse_variant(variant)
    known = presets() | dict(user_presets or {})
    if variant in unavailable():
        raise PresetError(
            f"variant {variant!r} cannot be trained: {unavailable()[variant]}; choose one that `merflow presets` lists"
        )
    if variant not in known:
        others = "" if user_presets is None else "; --presets FILE adds your own"
        raise PresetError(
            f"unknown variant {variant!r}; {nearest(variant, known)} (`merflow presets` lists them{others})"
        )
    return known[variant]


def published_tables() -> tuple[PublishedTable, ...]:
    """Return the papers' tables whose rows are presets, in the papers' order of tables and rows."""
    return tables_of({content.model: content.paper for content in _model_files().values()})


def models() -> list[str]:
    """Return the names of the models that have presets."""
    return [content.model for content in _model_files().values()]


@cache
def _model_files() -> dict[str, _ModelFile]:
    """Return the content of every model's file by file name, in alphabetical order."""
    names = sorted(entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".yaml"))
    return {name: parse(_ModelFile, _yaml(name), where=name) for name in names}


def _recipes(content: _ModelFile, entry: _PresetEntry, *, where: str) -> tuple[Recipe, ...]:
    """Return one recipe per stage, merged from model, policy, preset and stage; later ones override earlier ones."""
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

"""Encoder profiles: those that merflow ships, in the folder ``profiles``, and the user's own, each in one file.

A user's profile may start from a shipped one (``base: paper``) and names the encoders that differ. An encoder for a
plain role replaces all encoders that the base has for this role; one for ``role/encoder`` replaces only that one.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from merflow.contracts.presets import EncoderProfile, EncoderSpec, ModelFit, Preset, Profile
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import PRETRAINED_ENCODERS, ROLES
from merflow.contracts.strict import Strict, parse
from merflow.errors import ParamsError, PresetError, nearest
from merflow.presets import catalogue
from merflow.presets.user_files import described, file_text, yaml_of

_FOLDER = files("merflow.presets") / "profiles"
_SHAPE = (
    "write `base: paper`, and below `roles:` the encoders that differ, as in {base: paper, roles: {text: {name: text, "
    "settings: {model: ./minilm, layers: last}}}}"
)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Prefixes of model names that are folders relative to the profile's file.
_RELATIVE = ("./", "../")


class _ProfileFile(Strict):
    """The file of a profile.

    Attributes:
        name: Name of the profile; None for the file's own name.
        base: The shipped profile that this one starts from; None to start from nothing.
        standardize: True to standardize features with the statistics of the training part; None to use the base's
            setting.
        roles: Encoders by role, or by ``role/encoder`` if papers use different ones; the role then names one of them.
        models: Adjustments of models whose sizes would be out of proportion to these encoders.
    """

    name: str | None = None
    base: str | None = None
    standardize: bool | None = None
    roles: dict[str, Any]
    models: dict[str, ModelFit] = Field(default_factory=dict)


class _Entry(Strict):
    """One encoder in the file; see :class:`merflow.contracts.presets.EncoderSpec`."""

    name: str
    revision: str | None = None
    settings: dict[str, int | float | str | bool] = Field(default_factory=dict)


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that merflow ships."""
    return sorted(Path(entry.name).stem for entry in _FOLDER.iterdir() if entry.name.endswith(".yaml"))


def shipped_profile(name: str) -> EncoderProfile:
    """Return a profile that merflow ships.

    Raises:
        PresetError: merflow ships no such profile; the message names the nearest.
    """
    if name not in shipped_profiles():
        raise PresetError(
            f"unknown encoder profile {name!r}; {nearest(name, shipped_profiles())}; a file of your own ends in .yaml"
        )
    content = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return _profile(content, name=name, where=f"profile {name}", folder=None)


def is_file(profile: str) -> bool:
    """Return True if ``features.profile`` names a user's file instead of a shipped profile."""
    return profile.endswith((".yaml", ".yml")) or "/" in profile


def read_profile(profile: str) -> EncoderProfile:
    """Return the profile that ``features.profile`` names: a shipped one, or a user's file.

    Raises:
        PresetError: merflow ships no such profile, the file is missing, or it is invalid; the message names every
            problem.
    """
    if not is_file(profile):
        return shipped_profile(profile)
    path = Path(profile).expanduser()
    text = file_text(path, kind="an encoder profile", option="--profile")
    return parse_profile(text, name=path.stem, where=str(path), folder=path.absolute().parent)


def parse_profile(text: str, *, name: str, where: str, folder: Path | None = None) -> EncoderProfile:
    """Parse a user's profile.

    Args:
        text: YAML, or the JSON of an :class:`EncoderProfile`.
        name: Name of the profile if the text gives none.
        where: The file, for errors.
        folder: Folder that the models' relative paths start from; None to leave them unchanged.

    Raises:
        PresetError: The text is invalid; the message names every problem.
    """
    content = yaml_of(text, where=where, shape=_SHAPE)
    if not isinstance(content, dict) or not content:
        raise PresetError(f"{where} holds {described(content)} instead of a profile; {_SHAPE}")
    profile = _profile(content, name=name, where=where, folder=folder)
    if profile.name in shipped_profiles():
        raise PresetError(
            f"{where}: {profile.name} is a profile that merflow ships; give yours another name (`name: mine`)"
        )
    if _NAME.fullmatch(profile.name) is None:
        raise PresetError(f"{where}: {profile.name!r} is not a name; use letters, digits, dots, dashes (`name: mine`)")
    return profile


def profile_text(profile: EncoderProfile) -> str:
    """Return a profile as JSON that :func:`parse_profile` reads, for machines without the user's file."""
    values = profile.model_dump(exclude={"roles": {"__all__": {"folder", "digest"}}}, exclude_none=True)
    return json.dumps(values)


def fitted(preset: Preset, profile: EncoderProfile) -> Preset:
    """Return a preset as it is trained on the encoders of a profile: small encoders get a small model.

    Settings in the preset's own config are kept, and so are settings in the recipe of a user's preset, even if they
    equal the paper's.
    """
    fit = profile.models.get(preset.model, ModelFit())
    changes = preset.changes or ({},) * len(preset.recipes)
    recipes = tuple(
        parse(Recipe, recipe.model_dump() | fit.recipe | change, where=f"{preset.variant} on profile {profile.name}")
        for recipe, change in zip(preset.recipes, changes, strict=True)
    )
    return replace(preset, config=fit.config | preset.config, recipes=recipes)


def _profile(content: Any, *, name: str, where: str, folder: Path | None) -> EncoderProfile:  # noqa: ANN401 - parsed YAML
    """Return the profile in a file's content; report all problems together."""
    try:
        file = parse(_ProfileFile, content, where=where)
    except ParamsError as error:
        raise PresetError(str(error)) from error
    problems: list[str] = []
    base: EncoderProfile | None = None
    if file.base is not None:
        try:
            base = shipped_profile(file.base)
        except PresetError as error:
            problems.append(f"base: {error}")
    own = {slot: _slot(slot, entry, folder=folder, problems=problems) for slot, entry in file.roles.items()}
    slots = _replaced({} if base is None else base.roles, own)
    encoders = {slot: _target(slot, spec, slots, problems) for slot, spec in slots.items()}
    models = catalogue.models()
    problems += [
        f"models: unknown model {model!r}; {nearest(model, models)}" for model in file.models if model not in models
    ]
    if problems:
        raise PresetError("\n  ".join([f"{where}: {len(problems)} problem(s)", *problems]))
    return EncoderProfile(
        name=file.name or name,
        base=file.base,
        standardize=bool(base and base.standardize) if file.standardize is None else file.standardize,
        roles={
            slot: spec
            for role in ROLES
            for slot, spec in encoders.items()
            if spec is not None and slot.partition("/")[0] == role
        },
        models={**({} if base is None else base.models), **file.models},
    )


def _slot(slot: str, entry: object, *, folder: Path | None, problems: list[str]) -> EncoderSpec | str | None:
    """Return the encoder of a slot, or the slot that it points to; None if it is wrong."""
    role, slash, encoder = slot.partition("/")
    if role not in ROLES:
        problems.append(f"roles: unknown role {role!r}; {nearest(role, ROLES)}")
    elif slash and encoder not in PRETRAINED_ENCODERS:
        problems.append(f"roles: unknown encoder {slot!r}; {nearest(encoder, PRETRAINED_ENCODERS)}")
    if isinstance(entry, str):
        return entry
    try:
        parsed = parse(_Entry, entry, where=f"roles.{slot}")
    except ParamsError as error:
        problems.append(str(error).replace("\n", "\n  "))
        return None
    settings = dict(parsed.settings)
    model = settings.get("model")
    if folder is not None and isinstance(model, str) and model.startswith(_RELATIVE):
        settings["model"] = os.path.normpath(folder / model)
    return EncoderSpec(name=parsed.name, revision=parsed.revision, settings=settings)


def _replaced(base: Profile, own: Mapping[str, EncoderSpec | str | None]) -> dict[str, EncoderSpec | str | None]:
    """Return the base's encoders, replaced by the user's where given."""
    whole = {slot for slot, entry in own.items() if "/" not in slot and not isinstance(entry, str)}
    kept = {slot: spec for slot, spec in base.items() if slot.partition("/")[0] not in whole}
    return {**kept, **own}


def _target(
    slot: str, spec: EncoderSpec | str | None, slots: Mapping[str, EncoderSpec | str | None], problems: list[str]
) -> EncoderSpec | None:
    """Return the encoder of a slot, through the slot that it points to."""
    if not isinstance(spec, str):
        return spec
    target = slots.get(spec)
    if spec not in slots or isinstance(target, str):
        problems.append(f"roles: {slot} points to {spec!r}; {nearest(spec, slots)}")
        return None
    return target

"""Variants: a model, a named preset of it, and the encoders that feed it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from merflow.contracts.protocols import Policy
from merflow.contracts.published import Paper, PublishedFigure
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import Modality, Stream
from merflow.contracts.strict import Strict
from merflow.errors import FeatureError, PresetError


class EncoderSpec(Strict):
    """One encoder of a profile.

    Attributes:
        name: Name of the encoder in ``features.encoders.builders.ENCODERS``.
        revision: Revision of its weights: a commit of the hub, or ``files-`` and a digest of a folder; None if the
            encoder has no weights.
        settings: Values for the encoder's own settings class.
        folder: Folder of its weights on this machine, once it has been located; it influences no stored number.
    """

    name: str
    revision: str | None = None
    settings: dict[str, int | float | str | bool] = Field(default_factory=dict)
    folder: str | None = None

    @property
    def label(self) -> str:
        """The encoder's name, followed by the model and its layers where it has weights."""
        if "model" not in self.settings:
            return self.name
        words = (self.name, self.settings["model"], self.settings.get("layers"))
        return " ".join(str(word) for word in words if word is not None)


# Encoders by role, or by role and pretrained encoder ("speech/wavlm-base"); see Stream.slot.
Profile = dict[str, EncoderSpec]


def spec_of(stream: Stream, profile: Profile) -> EncoderSpec:
    """Return a profile's encoder for a stream: the one that the stream names, or else the one of the stream's role.

    Raises:
        FeatureError: The profile has no encoder for this role, or lacks the named one.
    """
    if stream.slot in profile:
        return profile[stream.slot]
    choices = [slot for slot in profile if slot.startswith(f"{stream.role}/")]
    if choices and stream.encoder is not None:
        raise FeatureError(f"the profile has no encoder {stream.slot!r}; it has {', '.join(choices)}")
    if stream.role not in profile:
        raise FeatureError(f"the profile has no encoder for role {stream.role!r}; it has {', '.join(profile)}")
    return profile[stream.role]


@dataclass(frozen=True)
class Preset:
    """One row of a paper's table.

    Attributes:
        model: Name of the model.
        name: Name of the preset.
        paper: The paper of the model.
        table: The paper's table with this row; ``ours`` or ``public code`` where no table has it.
        inputs: Modalities that the model reads.
        config: Values of the model's config dataclass.
        recipes: One recipe per stage, in the order of training.
        published: Figures that the paper reports. They are quoted and never measured here.
        base: For a user's preset, the variant from which it is derived, and whose paper, table and published figures it
            keeps. None for a row of a paper.
        changes: For a user's preset, its settings in the recipe of each stage; they override those of a profile.
        tuned: For a user's preset, the origin of its settings as its file states it: study, trial and so on.
    """

    model: str
    name: str
    paper: Paper
    table: str
    inputs: tuple[Modality, ...]
    config: dict[str, Any]
    recipes: tuple[Recipe, ...]
    published: tuple[PublishedFigure, ...]
    base: str | None = None
    changes: tuple[dict[str, Any], ...] = ()
    tuned: dict[str, Any] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """``model:preset``."""
        return f"{self.model}:{self.name}"

    @property
    def origin(self) -> dict[str, Any]:
        """Origin of a user's preset: ``base``, and study and trial if it was tuned; empty for a row of a paper."""
        return {} if self.base is None else {"base": self.base, **self.tuned}

    @property
    def recipe(self) -> Recipe:
        """Recipe of the first stage."""
        return self.recipes[0]

    @property
    def stages(self) -> tuple[Policy, ...]:
        """Encoder policies in the order of training; ``("frozen",)`` trains on stored features alone."""
        return tuple(recipe.policy for recipe in self.recipes)


# Users' presets by variant name, in addition to those that merflow ships.
UserPresets = Mapping[str, Preset]


def parse_variant(text: str) -> tuple[str, str]:
    """Split a variant such as ``"context-mmt:mmt-frozen"`` into model and preset.

    Raises:
        PresetError: The text does not have that form.
    """
    model, colon, preset = text.partition(":")
    if not (model and colon and preset) or ":" in preset:
        raise PresetError(f"{text!r} is not a variant; write model:preset, for example context-mmt:mmt-frozen")
    return model, preset

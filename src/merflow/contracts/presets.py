"""Variants: a model, a named preset of it, and the encoders that feed it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from pydantic import Field

from merflow.contracts.protocols import Policy
from merflow.contracts.published import Paper, PublishedFigure
from merflow.contracts.recipe import Recipe, check_recipe
from merflow.contracts.streams import Modality, Stream
from merflow.contracts.strict import Strict
from merflow.contracts.task import Regression, Task
from merflow.errors import FeatureError, PresetError


class EncoderSpec(Strict):
    """One encoder of a profile.

    Attributes:
        name: Name of the encoder in ``features.encoders.builders.ENCODERS``.
        revision: The hub's commit of its weights; None for a folder that does not come from the hub, and for an encoder
            without weights.
        settings: Values for the encoder's own settings class.
        folder: Folder of its weights on this machine, once it has been located, or the corpus's file if its features
            came with the corpus; it influences no stored number.
        digest: Digest of the files that decide its numbers, once it has been located; None if there are none.
    """

    name: str
    revision: str | None = None
    settings: dict[str, int | float | str | bool] = Field(default_factory=dict)
    folder: str | None = None
    digest: str | None = None

    @property
    def label(self) -> str:
        """The encoder's name, followed by the model and its layers where it has weights, or by its array."""
        if "model" not in self.settings:
            return f"{self.name} {self.settings['array']}" if "array" in self.settings else self.name
        words = (self.name, self.settings["model"], self.settings.get("layers"))
        return " ".join(str(word) for word in words if word is not None)

    @property
    def citation(self) -> str:
        """The model, the revision or digest of its weights, and its layers; the label if it has no weights."""
        if "model" not in self.settings:
            return self.label + (f" (file {self.digest[:8]})" if self.digest else "")
        model, layers = self.settings["model"], self.settings.get("layers")
        if self.revision is not None:
            weights = f"@{self.revision[:7]}"
        else:
            weights = f" (files {self.digest[:8]})" if self.digest else ""
        return f"{model}{weights}" + (f", {_LAYERS.get(str(layers), layers)}" if layers else "")

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that affects its numbers: weights count by the digest of their files, whatever they are called."""
        settings = {name: value for name, value in self.settings.items() if name not in ("model", "allow_unpinned")}
        return {"name": self.name, "revision": self.digest, "settings": settings}

    def same_weights(self, other: "EncoderSpec") -> bool:
        """Return True if both are known to read the same weights, and the same layers of them."""
        if self.name != other.name or self.settings.get("layers") != other.settings.get("layers"):
            return False
        if self.digest is not None and other.digest is not None:
            return self.digest == other.digest
        return self.revision is not None and self.revision == other.revision


_LAYERS = {"last": "last layer", "all": "all layers", "transformer": "transformer layers"}


# Settings of a recipe whose stage reads stored features.
_FROZEN: dict[str, Any] = {"policy": "frozen", "encoders": {}}

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
        raise FeatureError(
            f"the profile has no encoder for role {stream.role!r}; it has {', '.join(profile)}; choose variants that "
            "read these, or another features.profile"
        )
    return profile[stream.role]


class ModelFit(Strict):
    """Settings of a model's config, and of all its recipes, that differ on the encoders of a profile."""

    config: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)


class EncoderProfile(Strict):
    """A profile, complete: the encoders of its base are among its own.

    Attributes:
        name: Name of the profile.
        base: The shipped profile that a user's profile starts from; None if it starts from nothing.
        standardize: True if models read its features standardized by the statistics of their training part.
        roles: Encoders by role, and by ``role/encoder`` if it has several for a role.
        models: Adjustments of models whose sizes would be out of proportion to these encoders.
    """

    name: str
    base: str | None = None
    standardize: bool = False
    roles: Profile
    models: dict[str, ModelFit] = Field(default_factory=dict)


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
        asked: Encoder policies of the paper's row, one per stage; a user's preset keeps those of its base.
        scores: Settings of every stage's recipe that differ where the model learns a score.
        frozen: Settings of every stage's recipe that differ where encoders that should learn are frozen.
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
    asked: tuple[Policy, ...]
    scores: dict[str, Any]
    frozen: dict[str, Any]
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

    def for_task(self, task: Task) -> "Preset":
        """Return the preset as it is trained for a task: for a score, by the model's settings for scores.

        The settings in the recipe of a user's preset stay as they are, and override those for scores.

        Raises:
            PresetError: A recipe asks for something that the task does not have.
        """
        recipes = self.recipes
        if isinstance(task, Regression):
            changes = self.changes or ({},) * len(recipes)
            recipes = tuple(
                Recipe.model_validate(recipe.model_dump() | self.scores | change)
                for recipe, change in zip(recipes, changes, strict=True)
            )
        for recipe in recipes:
            check_recipe(recipe, task, where=self.variant)
        return replace(self, recipes=recipes)

    def on_stored_features(self) -> "Preset":
        """Return the preset as it is trained with frozen encoders.

        The stages before the first in which encoders learn stay. If that is the first stage, the model is trained by
        its recipe with frozen encoders. A preset in which no encoder learns stays as it is.
        """
        if set(self.stages) == {"frozen"}:
            return self
        count = max(1, len(list(takewhile(lambda recipe: recipe.policy == "frozen", self.recipes))))
        return replace(
            self,
            recipes=tuple(
                Recipe.model_validate(recipe.model_dump() | self.frozen | _FROZEN) for recipe in self.recipes[:count]
            ),
            changes=tuple(
                {key: _FROZEN.get(key, value) for key, value in change.items()} for change in self.changes[:count]
            ),
        )


# Users' presets by variant name, in addition to those that merflow ships.
UserPresets = Mapping[str, Preset]


def variant_of(name: str) -> str:
    """Return the variant in a report's name, which may also tell the encoders: ``model:preset@profile``."""
    return name.partition("@")[0]


def parse_variant(text: str) -> tuple[str, str]:
    """Split a variant such as ``"context-mmt:mmt-frozen"`` into model and preset.

    Raises:
        PresetError: The text does not have that form.
    """
    model, colon, preset = text.partition(":")
    if not (model and colon and preset) or ":" in preset:
        raise PresetError(f"{text!r} is not a variant; write model:preset, for example context-mmt:mmt-frozen")
    return model, preset

"""What a variant is: a model, a named preset of it, and the encoders that feed it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from merflow.contracts.protocols import Policy
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import Modality, Stream
from merflow.contracts.strict import Strict
from merflow.errors import FeatureError, PresetError


class EncoderSpec(Strict):
    """One encoder of a profile.

    Attributes:
        name: Its name in ``features.encoders``.
        revision: Of its weights: a commit of the hub, or ``files-`` and a digest of a folder; None where it has none.
        settings: What the encoder's own settings class says.
        folder: Where its weights are on this machine, once they were looked up; it decides no stored number.
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


# By role, or by role and pretrained encoder ("speech/wavlm-base"); see Stream.slot.
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


class Paper(Strict):
    """Where a model comes from."""

    title: str
    venue: str
    year: int


@dataclass(frozen=True)
class Preset:
    """One row of a paper's table.

    Attributes:
        config: Switches of the model's config dataclass.
        recipes: One for each stage, in the order of training.
        published: The paper's own percentages by metric (WA, UA, F1); quoted, never ours.
        base: Of a preset of one's own, the variant that it is made from: the paper, the table and the published
            figures are that one's. None for a paper's own row.
        changes: Of a preset of one's own, what it sets in the recipe of each stage; a profile leaves that as it is.
        tuned: Of a preset of one's own, how its settings were found, as its file says.
    """

    model: str
    name: str
    paper: Paper
    table: str
    inputs: tuple[Modality, ...]
    config: dict[str, Any]
    recipes: tuple[Recipe, ...]
    published: dict[str, float]
    base: str | None = None
    changes: tuple[dict[str, Any], ...] = ()
    tuned: dict[str, Any] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """``model:preset``."""
        return f"{self.model}:{self.name}"

    @property
    def origin(self) -> dict[str, Any]:
        """What a preset of one's own is made from: ``base``, and of a tuned one its study and trial; else empty."""
        return {} if self.base is None else {"base": self.base, **self.tuned}

    @property
    def recipe(self) -> Recipe:
        """Of the first stage."""
        return self.recipes[0]

    @property
    def stages(self) -> tuple[Policy, ...]:
        """Encoder policies in the order of training; ``("frozen",)`` trains on stored features alone."""
        return tuple(recipe.policy for recipe in self.recipes)


# Presets of one's own by variant name, beside those that merflow ships.
UserPresets = Mapping[str, Preset]


@dataclass(frozen=True)
class PublishedRow:
    """One row of a paper's table; quoted, never ours.

    Attributes:
        variant: ``model:preset`` of the system; not every one can be trained.
        dataset: ``iemocap4``, ``mosei``, or ``iemocap4+mosei``: WA and UA of the one, the rest of the other.
        protocol: How the paper divided it.
        inputs: As the paper writes them.
        figures: Percentages by metric: WA, UA, F1, ACC7, ACC2.
        note: What else the paper says of the row.
    """

    variant: str
    dataset: str
    protocol: str
    inputs: str
    figures: dict[str, float]
    note: str


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper, its rows in the paper's order.

    Attributes:
        number: As the paper counts it.
    """

    model: str
    paper: Paper
    number: str
    rows: tuple[PublishedRow, ...]


def parse_variant(text: str) -> tuple[str, str]:
    """``"context-mmt:mmt-frozen"`` as model and preset.

    Raises:
        PresetError: The text is not of that form.
    """
    model, colon, preset = text.partition(":")
    if not (model and colon and preset) or ":" in preset:
        raise PresetError(f"{text!r} names no variant; write model:preset, for example context-mmt:mmt-frozen")
    return model, preset

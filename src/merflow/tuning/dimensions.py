"""Tunable settings of a model, read from ``spaces/<model>.yaml``: one file per model, with reasons for the bounds.

A file names settings of the recipe, of single stages by their policy, and of the model's config. ``when`` lists
alternative config values under which a setting has an effect; without it, the setting always has one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from optuna.trial import Trial
from pydantic import Field, model_validator

from merflow.contracts.protocols import Policy
from merflow.contracts.strict import Strict, parse
from merflow.contracts.study import Value
from merflow.errors import TuningError, nearest
from merflow.models import MODELS

# Tunable settings of a recipe; none of them affects what is trained or how the epoch is chosen.
RECIPE_KEYS = ("lr", "encoder_lr", "weight_decay", "batch_size", "clip_norm")


class Dimension(Strict):
    """The values of one setting: a range of integers or floats, or choices.

    Attributes:
        low: Lower bound, included.
        high: Upper bound, included.
        step: Step of a range of integers.
        log: If true, orders of magnitude are equally likely.
        when: Alternative conditions; each maps config keys to one allowed value or a list of them.
    """

    low: int | float | None = None
    high: int | float | None = None
    step: int = Field(default=1, ge=1)
    log: bool = False
    choices: list[Value] = Field(default_factory=list)
    when: list[dict[str, Any]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _range_or_choices(self) -> "Dimension":
        if self.choices:
            if self.low is not None or self.high is not None or len(self.choices) < 2:
                raise ValueError("give two or more choices, without low and high")
        elif self.low is None or self.high is None or self.low >= self.high:
            raise ValueError(
                f"low {self.low} and high {self.high} are not a range; set low below high, or give choices"
            )
        elif self.log and self.low <= 0:
            raise ValueError(f"low {self.low} has no logarithm; set it above 0, or log to false")
        return self

    def suggest(self, trial: Trial, name: str) -> Value:
        """Draw the value of this setting in a trial."""
        if self.choices:
            return trial.suggest_categorical(name, self.choices)
        low, high = self._bounds
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, step=self.step, log=self.log)
        return trial.suggest_float(name, low, high, log=self.log)

    def allows(self, value: Value) -> bool:
        """Return True if a trial may have this value."""
        if self.choices:
            return value in self.choices
        low, high = self._bounds
        return isinstance(value, int | float) and low <= value <= high

    @property
    def _bounds(self) -> tuple[int | float, int | float]:
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Return True if the setting has an effect on a model with this config (tuples as lists, as in JSON)."""
        return not self.when or any(
            all(config[key] in (allowed if isinstance(allowed, list) else [allowed]) for key, allowed in way.items())
            for way in self.when
        )


class SpaceFile(Strict):
    """One model's file.

    Attributes:
        preset: The preset that the model's name alone refers to.
        recipe: Settings of every stage's recipe.
        scores: Settings of the recipe that have other bounds for scores; they replace those of the same name.
        stages: Settings of the stages of one policy, by policy; they replace settings of the recipe with the same name.
        config: Settings of the model.
    """

    model: str
    preset: str
    recipe: dict[str, Dimension]
    scores: dict[str, Dimension] = Field(default_factory=dict)
    stages: dict[Policy, dict[str, Dimension]] = Field(default_factory=dict)
    config: dict[str, Dimension]


@cache
def space_file(model: str) -> SpaceFile:
    """Read the search space of a model.

    Raises:
        TuningError: The model is unknown, or it has no search space.
    """
    if model not in MODELS:
        raise TuningError(f"unknown model {model!r}; {nearest(model, MODELS)}")
    name = f"spaces/{model}.yaml"
    file = files("merflow.tuning") / name
    if not file.is_file():
        raise TuningError(f"model {model!r} has no search space; write src/merflow/tuning/{name}")
    text = file.read_text(encoding="utf-8")
    return checked(parse(SpaceFile, yaml.safe_load(text), where=name), where=name)


def checked(space: SpaceFile, *, where: str) -> SpaceFile:
    """Return the space after checking that all its settings exist.

    Raises:
        TuningError: The model or a recipe lacks some of the settings; the message names all of them.
    """
    problems = list(_problems(space))
    if problems:
        raise TuningError("\n  ".join([f"{where}: {len(problems)} problem(s)", *problems]))
    return space


def _problems(space: SpaceFile) -> Iterator[str]:
    if space.model not in MODELS:
        yield f"model: unknown model {space.model!r}; {nearest(space.model, MODELS)}"
        return
    known = [field.name for field in fields(MODELS[space.model].config)]
    for section, settings in (
        ("recipe", space.recipe),
        ("scores", space.scores),
        *((f"stages.{name}", each) for name, each in space.stages.items()),
    ):
        yield from (
            f"{section}.{key}: cannot be tuned in a recipe; {nearest(key, RECIPE_KEYS)}"
            for key in settings
            if key not in RECIPE_KEYS
        )
        yield from (
            f"{section}.{key}: only config settings can have a condition; remove when"
            for key in settings
            if settings[key].when
        )
    for key, dimension in space.config.items():
        if key not in known:
            yield f"config.{key}: {MODELS[space.model].config.__name__} has no such setting; {nearest(key, known)}"
        for condition in (name for way in dimension.when for name in way if name not in known):
            yield f"config.{key}.when: no setting {condition!r}; {nearest(condition, known)}"

"""Search space of one preset: the settings in its model's file, except those that the preset sets itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from optuna.trial import Trial

from merflow.contracts.presets import Preset
from merflow.contracts.recipe import Recipe
from merflow.contracts.study import Value
from merflow.errors import TuningError
from merflow.models import MODELS
from merflow.tuning.dimensions import Dimension, SpaceFile, space_file

Values = dict[str, Value]

_CONFIG = "config"


@dataclass(frozen=True)
class SearchSpace:
    """The tuned settings of a preset.

    Attributes:
        preset: The preset as in its paper.
        recipes: Recipes of the trained stages, which are the preset's first ones.
        config: Tuned settings of the model, in the order of the file.
        stages: Tuned settings of each trained stage's recipe, by dotted name. Stages that share a name share a value.
    """

    preset: Preset
    recipes: tuple[Recipe, ...]
    config: Mapping[str, Dimension]
    stages: tuple[Mapping[str, Dimension], ...]

    @classmethod
    def of(cls, preset: Preset, *, recipes: Sequence[Recipe], scores: bool = False) -> "SearchSpace":
        """Return the space of a preset whose trained stages have these recipes.

        Args:
            preset: The preset.
            recipes: Recipes of the trained stages.
            scores: True if it learns scores, whose recipe may have bounds of its own.

        Raises:
            TuningError: The model has no search space.
        """
        file = space_file(preset.model)
        return cls(
            preset,
            tuple(recipes),
            {key: each for key, each in file.config.items() if key not in preset.config},
            tuple(_of_stage(file, recipe, scores=scores) for recipe in recipes),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """The space as JSON; equal facts are equal spaces."""
        dimensions = {f"{_CONFIG}.{key}": each for key, each in self.config.items()}
        dimensions |= {name: each for stage in self.stages for name, each in stage.items()}
        return {name: each.model_dump(exclude_defaults=True) for name, each in dimensions.items()}

    def suggest(self, trial: Trial) -> Values:
        """Draw the values of a trial, by dotted name; settings without an effect given the others are left out."""
        values: Values = {}
        for name, each in self._recipe_dimensions().items():
            values[name] = each.suggest(trial, name)
        config = self._plain_config()
        for key, each in self.config.items():
            if each.holds(config):
                values[f"{_CONFIG}.{key}"] = config[key] = each.suggest(trial, f"{_CONFIG}.{key}")
        return values

    def defaults(self) -> Values:
        """Return the preset's own values of the tuned settings.

        Raises:
            TuningError: One of them is out of its bounds.
        """
        values: Values = {}
        for stage, recipe in zip(self.stages, self.recipes, strict=True):
            for name in stage:
                values.setdefault(name, _default(recipe, name.rpartition(".")[2]))
        config = self._plain_config()
        values |= {f"{_CONFIG}.{key}": config[key] for key, each in self.config.items() if each.holds(config)}
        for name, value in values.items():
            if not self._dimension(name).allows(value):
                raise TuningError(
                    f"{self.preset.variant} has {name} = {value}, which is outside of {self._dimension(name)}; widen "
                    f"the bounds in spaces/{self.preset.model}.yaml"
                )
        return values

    def config_of(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return the values that differ from the preset in the model's config."""
        return {key: values[name] for key in self.config if (name := f"{_CONFIG}.{key}") in values}

    def recipes_of(self, values: Mapping[str, Value]) -> list[dict[str, Value]]:
        """Return the values that differ from the preset in the recipe of each trained stage."""
        return [{name.rpartition(".")[2]: values[name] for name in stage if name in values} for stage in self.stages]

    def applied(self, values: Mapping[str, Value]) -> Preset:
        """Return the preset with these values, reduced to the trained stages.

        Raises:
            TuningError: With these values the model would read features that were not extracted.
            PresetError: The model refuses the values.
        """
        config = self.preset.config | self.config_of(values)
        model = MODELS[self.preset.model]
        if model.configure(config).streams() != model.configure(self.preset.config).streams():
            raise TuningError(
                f"{self.preset.variant}: with {self.config_of(values)} the model reads other features; remove the "
                f"settings that select features from spaces/{self.preset.model}.yaml"
            )
        return replace(
            self.preset,
            config=config,
            recipes=tuple(
                Recipe.model_validate(recipe.model_dump() | changes)
                for recipe, changes in zip(self.recipes, self.recipes_of(values), strict=True)
            ),
        )

    def _plain_config(self) -> dict[str, Any]:
        """Return every setting of the preset's config, with tuples as lists."""
        settings = asdict(MODELS[self.preset.model].configure(self.preset.config))  # type: ignore[call-overload]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}

    def _recipe_dimensions(self) -> dict[str, Dimension]:
        return {name: each for stage in self.stages for name, each in stage.items()}

    def _dimension(self, name: str) -> Dimension:
        section, _, key = name.partition(".")
        return self.config[key] if section == _CONFIG else self._recipe_dimensions()[name]


def _of_stage(file: SpaceFile, recipe: Recipe, *, scores: bool) -> dict[str, Dimension]:
    """Return the settings of a stage by dotted name; settings of the stage's policy replace those of the recipe."""
    of_policy = file.stages.get(recipe.policy, {})
    of_recipe = file.recipe | (file.scores if scores else {})
    shared = {f"recipe.{key}": each for key, each in of_recipe.items() if key not in of_policy}
    return shared | {f"{recipe.policy}.{key}": each for key, each in of_policy.items()}


def _default(recipe: Recipe, key: str) -> Value:
    if key == "encoder_lr" and recipe.encoder_lr is None:
        return recipe.lr  # the optimizer uses it for the encoders too
    value: Value = getattr(recipe, key)
    return value

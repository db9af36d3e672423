"""The search space of one preset: what its model's file names, less what the preset sets itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from optuna.trial import Trial

from merflow.contracts.presets import Preset
from merflow.contracts.recipe import Recipe
from merflow.errors import TuningError
from merflow.models import MODELS
from merflow.tuning.dimensions import Dimension, SpaceFile, Value, space_file

Values = dict[str, Value]

_CONFIG = "config"


@dataclass(frozen=True)
class SearchSpace:
    """What is tuned in a preset.

    Attributes:
        preset: As its paper has it.
        recipes: Of the stages that are trained, the first ones of the preset.
        config: Settings of the model, in the order of the file.
        stages: Of each trained stage, the settings of its recipe by the name that they are tuned under. Stages that
            share a name share a value.
    """

    preset: Preset
    recipes: tuple[Recipe, ...]
    config: Mapping[str, Dimension]
    stages: tuple[Mapping[str, Dimension], ...]

    @classmethod
    def of(cls, preset: Preset, *, recipes: Sequence[Recipe]) -> "SearchSpace":
        """The space of a preset, of which these stages are trained."""
        file = space_file(preset.model)
        return cls(
            preset,
            tuple(recipes),
            {key: each for key, each in file.config.items() if key not in preset.config},
            tuple(_of_stage(file, recipe) for recipe in recipes),
        )

    @property
    def facts(self) -> dict[str, Any]:
        """The space as JSON: two spaces are the same where these are."""
        dimensions = {f"{_CONFIG}.{key}": each for key, each in self.config.items()}
        dimensions |= {name: each for stage in self.stages for name, each in stage.items()}
        return {name: each.model_dump(exclude_defaults=True) for name, each in dimensions.items()}

    def suggest(self, trial: Trial) -> Values:
        """The values of a trial, by dotted name; only those that do anything beside the others."""
        values: Values = {}
        for name, each in self._recipe_dimensions().items():
            values[name] = each.suggest(trial, name)
        config = self._plain_config()
        for key, each in self.config.items():
            if each.holds(config):
                values[f"{_CONFIG}.{key}"] = config[key] = each.suggest(trial, f"{_CONFIG}.{key}")
        return values

    def defaults(self) -> Values:
        """The preset's own values of what is tuned.

        Raises:
            TuningError: One of them is out of its bounds.
        """
        values: Values = {}
        for stage, recipe in zip(self.stages, self.recipes, strict=True):
            for name in stage:
                values.setdefault(name, _own(recipe, name.rpartition(".")[2]))
        config = self._plain_config()
        values |= {f"{_CONFIG}.{key}": config[key] for key, each in self.config.items() if each.holds(config)}
        for name, value in values.items():
            if not self._dimension(name).allows(value):
                raise TuningError(
                    f"{self.preset.variant}: its own {name}, {value}, is not in {self._dimension(name)}; widen the "
                    f"bounds in spaces/{self.preset.model}.yaml"
                )
        return values

    def config_of(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """What differs from the preset in the model's config."""
        return {key: values[name] for key in self.config if (name := f"{_CONFIG}.{key}") in values}

    def recipes_of(self, values: Mapping[str, Value]) -> list[dict[str, Value]]:
        """What differs from the preset in the recipe of each trained stage."""
        return [{name.rpartition(".")[2]: values[name] for name in stage if name in values} for stage in self.stages]

    def applied(self, values: Mapping[str, Value]) -> Preset:
        """The preset with these values, of the trained stages alone.

        Raises:
            TuningError: The model would read other features than the preset's, which are not there.
            PresetError: The model refuses the values.
        """
        config = self.preset.config | self.config_of(values)
        model = MODELS[self.preset.model]
        if model.configure(config).streams() != model.configure(self.preset.config).streams():
            raise TuningError(
                f"{self.preset.variant}: with {self.config_of(values)} the model reads other features; take what "
                f"decides them out of spaces/{self.preset.model}.yaml"
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
        """Every setting of the preset's config, as JSON has them."""
        settings = asdict(MODELS[self.preset.model].configure(self.preset.config))  # type: ignore[call-overload]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}

    def _recipe_dimensions(self) -> dict[str, Dimension]:
        return {name: each for stage in self.stages for name, each in stage.items()}

    def _dimension(self, name: str) -> Dimension:
        place, _, key = name.partition(".")
        return self.config[key] if place == _CONFIG else self._recipe_dimensions()[name]


def _of_stage(file: SpaceFile, recipe: Recipe) -> dict[str, Dimension]:
    """Settings of a stage by tuned name; the policy's own take the place of the recipe's.

    Encoders have a learning rate of their own only where they learn.
    """
    own = file.stages.get(recipe.policy, {})
    shared = {f"recipe.{key}": each for key, each in file.recipe.items() if key not in own}
    return shared | {f"{recipe.policy}.{key}": each for key, each in own.items()}


def _own(recipe: Recipe, key: str) -> Value:
    if key == "encoder_lr" and recipe.encoder_lr is None:
        return recipe.lr  # what the optimiser takes
    value: Value = getattr(recipe, key)
    return value

"""Search spaces: their files, their bounds and conditions, and misspelt settings."""

import re
from importlib.resources import files
from typing import Any

import pytest
from pydantic import ValidationError

from merflow.contracts.strict import parse
from merflow.errors import ParamsError, TuningError
from merflow.models import MODELS
from merflow.presets import catalogue
from merflow.tuning.dimensions import Dimension, SpaceFile, checked, space_file

GOOD: dict[str, Any] = {
    "model": "foal-net",
    "preset": "full",
    "recipe": {"lr": {"low": 0.001, "high": 0.1, "log": True}},
    "config": {"dropout": {"low": 0.0, "high": 0.5}},
}


def read(**changes: object) -> SpaceFile:
    return checked(parse(SpaceFile, GOOD | changes, where="mine.yaml"), where="mine.yaml")


def test_every_search_space_belongs_to_a_model_and_names_one_of_its_presets() -> None:
    models = sorted(file.name.removesuffix(".yaml") for file in (files("merflow.tuning") / "spaces").iterdir())
    assert len(models) >= 5
    for model in models:
        found = space_file(model)
        assert found.model == model
        assert catalogue.preset(f"{model}:{found.preset}").name == found.preset
    assert read().config["dropout"].high == 0.5


def test_a_model_without_a_space_says_where_to_write_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "mean-pool", MODELS["mfdr"])
    with pytest.raises(TuningError, match=r"'mean-pool' has no search space; write src/.*/spaces/mean-pool.yaml"):
        space_file("mean-pool")


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(TuningError, match="unknown model 'mdfr'; did you mean 'mfdr'"):
        space_file("mdfr")


def test_all_misspelt_settings_are_named_together() -> None:
    with pytest.raises(TuningError) as caught:
        read(
            recipe={"learning_rate": {"low": 0.1, "high": 0.2}, "patience_epochs": {"low": 1, "high": 2}},
            config={"dropuot": {"low": 0.1, "high": 0.2}, "heads": {"choices": [1, 2], "when": [{"mem_wait": 1}]}},
        )
    said = str(caught.value)
    assert "mine.yaml: 4 problem(s)" in said
    assert "recipe.learning_rate: cannot be tuned in a recipe" in said
    assert "recipe.patience_epochs: cannot be tuned in a recipe" in said
    assert "config.dropuot: FoalNetConfig has no such setting; did you mean 'dropout'?" in said
    assert "config.heads.when: no setting 'mem_wait'; did you mean 'mem_weight'?" in said


def test_a_misspelt_key_of_a_setting_names_the_nearest() -> None:
    with pytest.raises(ParamsError, match=re.escape("recipe.lr.hihg: unknown key; did you mean 'high'?")):
        read(recipe={"lr": {"low": 0.1, "hihg": 0.2}})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"low": 2, "high": 1}, "low 2 and high 1 are not a range"),
        ({"low": 1}, "low 1 and high None are not a range"),
        ({"low": 0.0, "high": 1.0, "log": True}, "low 0.0 has no logarithm"),
        ({"choices": [1]}, "give two or more choices"),
        ({"choices": [1, 2], "low": 1}, "without low and high"),
    ],
)
def test_invalid_bounds_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Dimension.model_validate(values)


def test_a_condition_holds_if_one_of_its_alternatives_does() -> None:
    dimension = Dimension(low=0, high=1, when=[{"mem": True}, {"modalities": [["speech"], ["video"]]}])
    assert dimension.holds({"mem": True, "modalities": ["speech", "video"]})
    assert dimension.holds({"mem": False, "modalities": ["video"]})
    assert not dimension.holds({"mem": False, "modalities": ["speech", "video"]})

"""Studies of a cheap objective, in SQLite: what is tuned is real, what is trained is a formula."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import optuna

from merflow.contracts.params import TuningParams, read_params
from merflow.presets import catalogue
from merflow.tuning.space import SearchSpace, Values
from merflow.tuning.study import StudyPlace, create_study
from merflow.tuning.worker import Attempt, work

VARIANT = "context-mmt:mmt-frozen"
FACTS: dict[str, Any] = {"variant": VARIANT, "space": {"recipe.lr": {"low": 0.1}}, "split_id": "0123456789abcdef"}


def params(**changes: object) -> TuningParams:
    """The shipped ones, with few trials, and patience for seconds."""
    shipped = read_params(Path(str(files("merflow") / "params.yaml"))).tuning
    few = {"trials": 8, "startup_trials": 3, "heartbeat_s": 1, "grace_s": 2, "pruning_epochs": 2, "pruning_trials": 2}
    return TuningParams.model_validate(shipped.model_dump() | few | changes)


def space(variant: str = VARIANT) -> SearchSpace:
    """Of all stages of a preset."""
    preset = catalogue.preset(variant)
    return SearchSpace.of(preset, recipes=preset.recipes)


def quality(values: Values) -> float:
    """0 to 1; best at much dropout and a small learning rate."""
    dropout, lr = values["config.dropout"], values["recipe.lr"]
    assert isinstance(dropout, float)
    assert isinstance(lr, float)
    return 0.7 * dropout + 0.3 * (1 - 100 * lr) * (1 if values["config.dims"] == 64 else 0.5)


def objective(attempt: Attempt) -> float:
    """Three epochs that go up to the quality."""
    figure = 0.0
    for epoch in range(1, 4):
        figure = quality(attempt.values) * epoch / 3
        attempt.report(figure, step=epoch)
    return figure


def place(folder: Path, name: str = "test") -> StudyPlace:
    return StudyPlace.of("auto", folder=folder, name=name)


def made(folder: Path, chosen: TuningParams, *, facts: dict[str, Any] | None = None) -> optuna.Study:
    """A new study, or the one that is there."""
    return create_study(place(folder), facts=facts or FACTS, first=space().defaults(), params=chosen)


def searched(folder: Path, **changes: object) -> optuna.Study:
    """A finished study."""
    chosen = params(**changes)
    study = made(folder, chosen)
    work(study, objective, space=space(), params=chosen)
    return study

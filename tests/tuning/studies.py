"""Studies of a cheap objective, in SQLite: the tuning is real, the training is a formula."""

from pathlib import Path
from typing import Any

import optuna

from merflow.contracts.params import TuningParams
from merflow.contracts.params_files import shipped_params
from merflow.contracts.study import DecidingTraining, StudySubject
from merflow.presets import catalogue
from merflow.tuning.space import SearchSpace, Values
from merflow.tuning.study import StudyLocation, create_study
from merflow.tuning.worker import Attempt, work

VARIANT = "context-mmt:mmt-frozen"
SUBJECT: dict[str, Any] = {"variant": VARIANT, "space": {"recipe.lr": {"low": 0.1}}, "split_id": "0123456789abcdef"}


def subject(variant: str = VARIANT) -> StudySubject:
    """Return a whole subject, for what is written to disk."""
    of = space(variant)
    return StudySubject(
        variant=variant,
        config=of.preset.config,
        recipes={f"stage {number}": recipe for number, recipe in enumerate(of.recipes, start=1)},
        space=of.facts,
        objective="mean development UA",
        selection="highest UA of one training speaker",
        folds=(),
        seed=0,
        protocol="session-5fold",
        split_id="0123456789abcdef",
        manifest_hash="fedcba9876543210",
        profile="lite",
        encoder_keys={"speech": "lite-speech-0123"},
        transcripts="truth",
        training=DecidingTraining(precision="auto", max_epochs=None, compile="off", modality_dropout=0.0, device="cpu"),
    )


def params(**changes: object) -> TuningParams:
    """Return the shipped parameters with few trials and patience for seconds."""
    shipped = shipped_params().tuning
    few = {"trials": 8, "startup_trials": 3, "heartbeat_s": 1, "grace_s": 2, "pruning_epochs": 2, "pruning_trials": 2}
    return TuningParams.model_validate(shipped.model_dump() | few | changes)


def space(variant: str = VARIANT) -> SearchSpace:
    """Return the space of all stages of a preset."""
    preset = catalogue.preset(variant)
    return SearchSpace.of(preset, recipes=preset.recipes)


def quality(values: Values) -> float:
    """Return a figure from 0 to 1, which is best at much dropout and a small learning rate."""
    dropout, lr = values["config.dropout"], values["recipe.lr"]
    assert isinstance(dropout, float)
    assert isinstance(lr, float)
    return 0.7 * dropout + 0.3 * (1 - 100 * lr) * (1 if values["config.dims"] == 64 else 0.5)


def objective(attempt: Attempt) -> float:
    """Report three epochs that rise to the quality."""
    figure = 0.0
    for epoch in range(1, 4):
        figure = quality(attempt.values) * epoch / 3
        attempt.report(figure, step=epoch)
    return figure


def location(folder: Path, name: str = "test") -> StudyLocation:
    return StudyLocation.of("auto", folder=folder, name=name)


def made(folder: Path, chosen: TuningParams, *, subject: dict[str, Any] | None = None) -> optuna.Study:
    """Return a new study, or the existing one."""
    return create_study(location(folder), subject=subject or SUBJECT, first=space().defaults(), params=chosen)


def searched(folder: Path, **changes: object) -> optuna.Study:
    """Return a finished study."""
    chosen = params(**changes)
    study = made(folder, chosen)
    work(study, objective, space=space(), params=chosen)
    return study

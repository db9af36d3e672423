"""Modules load no library that their step or command does not need: each pod and each command would pay for it."""

import pytest

from tests.jobs.forked_interpreter import modules_after
from tests.jobs.fresh_interpreter import heavy_among

READERS = [
    "merflow.jobs.evaluate",
    "merflow.jobs.compare",
    "merflow.jobs.report",
    "merflow.jobs.plots",
    "merflow.jobs.lineage",
    "merflow.jobs.sync",
    "merflow.jobs.track",
    "merflow.promotion.registry.location",
    "merflow.promotion.registry.audit_page",
    "merflow.runs.fold_folder",
    "merflow.runs.finished_runs",
    "merflow.runs.remembered",
]
# Jobs that train no model and draw nothing, and what every step and every command imports.
LIGHT = [
    "merflow.cli.app",
    "merflow.jobs.classics",
    "merflow.jobs.fingerprint",
    "merflow.jobs.gate",
    "merflow.jobs.index",
    "merflow.jobs.list_folds",
    "merflow.jobs.monitor",
    "merflow.jobs.plan_monitoring",
    "merflow.jobs.split",
    "merflow.jobs.steps",
    "merflow.jobs.transcribe",
    "merflow.jobs.validate",
    "merflow.folds.profiles",
]
# Modules that need the models, so torch: the processes of folds and of studies, extraction, and plans.
WITH_MODELS = [
    "merflow.jobs.extract",
    "merflow.jobs.plan",
    "merflow.jobs.plan_promotion",
    "merflow.jobs.train",
    "merflow.jobs.train_folds",
    "merflow.jobs.trials",
]
LARGE = ("transformers", "mlflow", "kfp", "dvc", "great_expectations", "sklearn", "matplotlib", "plotly", "boto3")


def each(modules: list[str]) -> dict[str, list[str]]:
    return {module: [module] for module in modules}


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    return modules_after(each(READERS + LIGHT + ["merflow.jobs.explain"]), preloaded=["pandas", "scipy.stats"])


@pytest.fixture(scope="module")
def loaded_with_torch() -> dict[str, list[str]]:
    return modules_after(each(WITH_MODELS), preloaded=["torch", "pandas", "scipy.stats"])


@pytest.mark.parametrize("module", READERS)
def test_a_reader_loads_no_model_and_no_encoder(loaded: dict[str, list[str]], module: str) -> None:
    assert heavy_among(loaded[module]) == []


def test_the_check_sees_a_module_that_loads_a_model(loaded: dict[str, list[str]]) -> None:
    found = heavy_among(loaded["merflow.jobs.explain"])
    assert {"torch", "merflow.models.mfdr", "merflow.folds.inputs"} <= set(found)


@pytest.mark.parametrize("module", LIGHT)
def test_a_light_step_loads_no_large_library(loaded: dict[str, list[str]], module: str) -> None:
    assert not {"torch", "optuna", *LARGE} & set(loaded[module])


@pytest.mark.parametrize("module", WITH_MODELS)
def test_a_process_with_models_loads_no_other_large_library(
    loaded_with_torch: dict[str, list[str]], module: str
) -> None:
    assert module in loaded_with_torch[module]
    assert not set(LARGE) & set(loaded_with_torch[module])


def test_a_plan_loads_nothing_that_runs_a_model(loaded_with_torch: dict[str, list[str]]) -> None:
    rooms = {tuple(name.split(".")[:2]) for name in loaded_with_torch["merflow.jobs.plan_promotion"]}
    assert not {("merflow", room) for room in ("inference", "training", "stress", "serving", "tuning")} & rooms

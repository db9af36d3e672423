from typing import Any

import pytest
import yaml

from merflow.pipelines.packages import COMPILED, PIPELINES, stale

NAMES = sorted(PIPELINES)
TRAINING = [name for name in NAMES if name != "monitor"]
STEPS = {"benchmark": 12, "promote": 16, "tune": 10, "monitor": 3}
COLLECTED = {"comp-evaluate": "folds", "comp-package": "folds", "comp-choose-trial": "trials"}
TEXTS = {"comp-gate": "version", "comp-promote": "outcome"}  # what a step says, and the next one takes
UNCACHED = {
    "benchmark": {"fingerprint", "list-folds"},
    "promote": {"fingerprint", "list-folds", "register", "gate", "promote"},
    "tune": {"fingerprint", "choose-trial"},
}
PLANS = {"benchmark": "plan-benchmark", "promote": "plan-promotion", "tune": "plan-tuning"}


def spec(name: str) -> dict[str, Any]:
    return next(iter(yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text())))


def loops(pipeline: dict[str, Any]) -> dict[str, Any]:
    """Return the task of every loop by its component, at any depth."""
    dags = [pipeline["root"]["dag"], *(each["dag"] for each in pipeline["components"].values() if "dag" in each)]
    return {
        task["componentRef"]["name"]: task
        for dag in dags
        for task in dag["tasks"].values()
        if "parameterIterator" in task or "artifactIterator" in task
    }


def test_the_checked_in_packages_are_those_of_the_source() -> None:
    assert NAMES == ["benchmark", "monitor", "promote", "tune"]
    assert stale() == [], "run `make pipelines` and commit pipelines/compiled"


@pytest.mark.parametrize("name", TRAINING)
def test_a_loop_takes_only_its_item_pipeline_parameters_and_artifacts(name: str) -> None:
    pipeline = spec(name)
    found = loops(pipeline)
    assert len(found) == 1
    for component, task in found.items():
        item = task["parameterIterator"]["items"]["inputParameter"]
        for parameter, source in task["inputs"]["parameters"].items():
            assert parameter == item or "componentInputParameter" in source, f"{component}: {parameter}"
        inner = pipeline["components"][component]["dag"]["tasks"].values()
        assert not any("parameterIterator" in each for each in inner), "loops are one level deep"


@pytest.mark.parametrize("name", NAMES)
def test_every_step_runs_on_the_image_and_installs_nothing(name: str) -> None:
    executors = spec(name)["deploymentSpec"]["executors"].values()
    assert len(executors) == STEPS[name]
    for executor in executors:
        assert executor["container"]["image"].startswith("merflow/python:")
        assert "pip install" not in " ".join(executor["container"]["command"])


@pytest.mark.parametrize("name", TRAINING)
def test_a_step_takes_one_request_and_artifacts_and_the_plan_takes_what_the_user_gives(name: str) -> None:
    pipeline = spec(name)
    steps = {key: each for key, each in pipeline["components"].items() if "executorLabel" in each}
    plan = steps.pop(f"comp-{PLANS[name]}")
    looks = steps.pop("comp-fingerprint")
    assert len(steps) == STEPS[name] - 2
    for name_of_step, step in steps.items():
        collected = {COLLECTED[name_of_step]: {"parameterType": "LIST"}} if name_of_step in COLLECTED else {}
        texts = {TEXTS[name_of_step]: {"parameterType": "STRING"}} if name_of_step in TEXTS else {}
        assert step["inputDefinitions"]["parameters"] == {"request": {"parameterType": "STRING"}} | collected | texts
    parameters = pipeline["root"]["inputDefinitions"]["parameters"]
    assert plan["inputDefinitions"]["parameters"].keys() == parameters.keys() | {"digests"}
    assert looks["inputDefinitions"]["parameters"].keys() < parameters.keys()
    assert len(parameters) <= (20 if name == "promote" else 13)
    assert all(each.get("description") for each in parameters.values()), "a person fills them in"
    assert [key for key in parameters if key.endswith("_params") or key.startswith("code")] == []


@pytest.mark.parametrize("name", TRAINING)
def test_the_plan_is_made_again_in_every_run_and_what_it_decides_may_be_cached(name: str) -> None:
    tasks = spec(name)["root"]["dag"]["tasks"]
    uncached = {key for key, task in tasks.items() if not task.get("cachingOptions", {}).get("enableCache")}
    loop_tasks = {key for key, task in tasks.items() if "parameterIterator" in task}
    assert uncached - loop_tasks == {PLANS[name]} | UNCACHED[name]
    source = {"outputParameterKey": "index", "producerTask": PLANS[name]}
    assert tasks["index"]["inputs"]["parameters"] == {"request": {"taskOutputParameter": source}}


def test_monitoring_takes_requests_too_and_is_never_cached() -> None:
    pipeline = spec("monitor")
    taken = {name: set(each["inputDefinitions"]["parameters"]) for name, each in pipeline["components"].items()}
    parameters = pipeline["root"]["inputDefinitions"]["parameters"]
    assert taken.pop("comp-plan-monitoring") == parameters.keys()
    assert taken == {"comp-monitor": {"request"}, "comp-act-on-drift": {"request", "outcome"}}
    assert all(each.get("description") for each in parameters.values()), "a person fills them in"
    tasks = pipeline["root"]["dag"]["tasks"].values()
    assert not any(task.get("cachingOptions", {}).get("enableCache") for task in tasks)

from typing import Any

import pytest
import yaml

from merflow.pipelines.packages import COMPILED, PIPELINES, stale

NAMES = sorted(PIPELINES)
STEPS = {"benchmark": 9, "tune": 9}


def spec(name: str) -> dict[str, Any]:
    return next(iter(yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text())))


def loops(pipeline: dict[str, Any]) -> dict[str, Any]:
    """Component name -> task of every loop, at whatever depth."""
    dags = [pipeline["root"]["dag"], *(each["dag"] for each in pipeline["components"].values() if "dag" in each)]
    return {
        task["componentRef"]["name"]: task
        for dag in dags
        for task in dag["tasks"].values()
        if "parameterIterator" in task or "artifactIterator" in task
    }


def test_the_checked_in_packages_are_those_of_the_source() -> None:
    assert NAMES == ["benchmark", "tune"]
    assert stale() == [], "run `make pipelines` and commit pipelines/compiled"


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", NAMES)
def test_every_step_depends_on_a_digest_of_its_code(name: str) -> None:
    pipeline = spec(name)
    steps = [each for each in pipeline["components"].values() if "executorLabel" in each]
    assert len(steps) == STEPS[name]
    for step in steps:
        assert "code" in step["inputDefinitions"]["parameters"]


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_says_whether_the_corpus_needs_video(name: str) -> None:
    task = spec(name)["root"]["dag"]["tasks"]["index"]
    source = {"outputParameterKey": "video", "producerTask": "plan"}
    assert task["inputs"]["parameters"]["video"] == {"taskOutputParameter": source}

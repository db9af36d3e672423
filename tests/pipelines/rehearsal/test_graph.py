"""The order of a package's steps, with a function in the place of containers."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from merflow.errors import PipelineError
from merflow.pipelines.lint.package import Package
from merflow.pipelines.packages import COMPILED
from merflow.pipelines.rehearsal.graph import Graph, Outputs, Step, arguments_of, check_graph

PACKAGE = Package.read(COMPILED / "benchmark.yaml")


class Recorder:
    """Runs steps in its head: each parameter is the step's path, each artifact a URI with it."""

    def __init__(self, *, folds: int = 3, fail: str = "") -> None:
        self.folds, self.fail = folds, fail
        self.steps: dict[str, Step] = {}
        self.order: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, step: Step) -> Outputs:
        with self._lock:
            self.order.append(step.path)
            self.steps[step.path] = step
        if step.path == self.fail:
            raise PipelineError(f"{step.path} failed")
        outputs = step.component.get("outputDefinitions", {})
        parameters: dict[str, Any] = {name: f"{step.path}.{name}" for name in outputs.get("parameters", {})}
        if step.name == "list-folds":
            parameters["Output"] = [f"fold {number}" for number in range(self.folds)]
        artifacts = {name: [{"name": name, "uri": f"{step.path}.{name}"}] for name in outputs.get("artifacts", {})}
        return Outputs(parameters, artifacts)


def execute(runner: Recorder, arguments: Mapping[str, Any] | None = None, *, parallel: int = 2) -> Outputs:
    values = arguments_of(PACKAGE, arguments or {"models": ["a:b"]})
    return Graph(PACKAGE, runner, parallel, threading.Event()).execute(values)


def test_every_step_runs_after_those_that_it_reads_from() -> None:
    runner = Recorder()
    outputs = execute(runner)
    assert len(runner.order) == 14
    assert runner.order[:2] == ["fingerprint", "plan-benchmark"]
    assert runner.order[-1] == "evaluate"
    assert runner.order.index("transcribe") < runner.order.index("split") < runner.order.index("list-folds")
    assert outputs.artifacts == {
        "report": [{"name": "report", "uri": "evaluate.report"}],
        "results": [{"name": "results", "uri": "evaluate.results"}],
    }


def test_a_loop_runs_once_per_item_and_its_outputs_are_collected_in_the_order_of_the_items() -> None:
    runner = Recorder(folds=7)
    execute(runner, parallel=4)
    paths = [f"for-loop-1/{number}/train" for number in range(7)]
    assert [runner.steps[path].inputs.parameters["request"] for path in paths] == [f"fold {n}" for n in range(7)]
    assert runner.steps["evaluate"].inputs.parameters["folds"] == [f"{path}.Output" for path in paths]


def test_an_empty_loop_collects_nothing() -> None:
    runner = Recorder(folds=0)
    execute(runner)
    assert runner.steps["evaluate"].inputs.parameters["folds"] == []


def test_artifacts_and_parameters_reach_the_steps_that_name_them() -> None:
    runner = Recorder()
    execute(runner, {"models": ["a:b", "c:d"], "size": "tiny"})
    plan = runner.steps["plan-benchmark"].inputs.parameters
    assert plan["models"] == ["a:b", "c:d"]
    assert plan["size"] == "tiny"
    assert plan["digests"] == "fingerprint.Output"
    assert runner.steps["split"].inputs.artifacts["manifest"] == [
        {"name": "transcribed", "uri": "transcribe.transcribed"}
    ]


def test_nothing_new_starts_after_a_failure() -> None:
    runner = Recorder(fail="validate")
    with pytest.raises(PipelineError, match="validate failed"):
        execute(runner)
    assert "transcribe" not in runner.order


def test_a_failed_fold_fails_the_run_and_evaluate_does_not_run_on_half_of_them() -> None:
    runner = Recorder(fail="for-loop-1/1/train")
    with pytest.raises(PipelineError, match="for-loop-1/1/train failed"):
        execute(runner)
    assert "evaluate" not in runner.order


def test_a_failed_fold_keeps_the_folds_that_wait_from_starting() -> None:
    class Slow(Recorder):
        def __call__(self, step: Step) -> Outputs:
            outputs = super().__call__(step)
            if step.name == "train":
                time.sleep(0.2)
            return outputs

    runner = Slow(folds=7, fail="for-loop-1/0/train")
    with pytest.raises(PipelineError, match="for-loop-1/0/train failed"):
        execute(runner)
    assert "for-loop-1/6/train" not in runner.order


def test_an_interrupted_graph_starts_nothing() -> None:
    stopping = threading.Event()
    stopping.set()
    runner = Recorder()
    with pytest.raises(PipelineError, match="interrupted"):
        Graph(PACKAGE, runner, 2, stopping).execute(arguments_of(PACKAGE, {"models": []}))
    assert runner.order == []


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "needs a value for models; give it with --arg models=VALUE"), ({"model": []}, "no parameter 'model'")],
)
def test_wrong_arguments_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        arguments_of(PACKAGE, given)


@pytest.mark.parametrize("name", ["benchmark", "promote", "tune"])
def test_the_shipped_packages_hold_only_what_a_rehearsal_knows(name: str) -> None:
    check_graph(Package.read(COMPILED / f"{name}.yaml"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"triggerPolicy": {"condition": "true"}}, "has a condition"),
        ({"artifactIterator": {}}, "loops over artifacts"),
    ],
)
def test_a_graph_that_a_rehearsal_does_not_know_is_refused(change: dict[str, Any], words: str) -> None:
    spec = yaml.safe_load(yaml.safe_dump(dict(PACKAGE.spec)))
    spec["root"]["dag"]["tasks"]["split"].update(change)
    with pytest.raises(PipelineError, match=f"task split {words}"):
        check_graph(Package("", spec, PACKAGE.platform))

"""Steps in their order, names of pods, and the table on a terminal."""

import io
from pathlib import Path
from typing import Any

import kfp_server_api
import pytest
from rich.console import Console

from merflow.cli.run_table import RunView
from merflow.pipelines.lint.package import Package
from merflow.submission.pods import fnv1a
from merflow.submission.runs import Run, run_of
from merflow.submission.steps import steps_of
from merflow.submission.watch import Progress
from tests.submission.workflow import Workflow

ORDER = ["fingerprint", "plan-benchmark", "index", "validate", "transcribe", "split", "list-folds", "train"]


def run_with(package: Path, **settings: Any) -> tuple[Run, Package]:  # noqa: ANN401
    graph = Package.read(package)
    told = {"run_id": "a", "display_name": "first", "state": "RUNNING", "created_at": "2026-11-01T10:00:00Z"}
    details = {"run_details": {"task_details": Workflow("w", graph, **settings).tasks("a")}}
    client = kfp_server_api.ApiClient()
    raw = client._ApiClient__deserialize({**told, **details}, "V2beta1Run")
    return run_of(raw), graph


def test_steps_stand_in_the_order_in_which_they_may_start(compiled: Path) -> None:
    run, graph = run_with(compiled / "benchmark.yaml", states={"train:0": "RUNNING"}, folds=1)
    names = [step.name for step in steps_of(run, graph)]
    assert len(names) == 12
    assert [name for name in names if name in ORDER] == ORDER
    assert names[-1] == "evaluate"
    run, graph = run_with(compiled / "tune.yaml")
    names = [step.name for step in steps_of(run, graph)]
    assert names[-1] == "choose-trial"
    assert names.index("open-study") < names.index("run-trials")
    assert {step.state for step in steps_of(run, graph)} == {"waiting"}


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ({"train:0": "SUCCEEDED"}, "SUCCEEDED"),
        ({"train:0": "SUCCEEDED", "train:1": "RUNNING"}, "RUNNING"),
        ({"train:0": "SUCCEEDED", "train:1": "FAILED", "train:2": "RUNNING"}, "FAILED"),
        ({"train:0": "PENDING"}, "PENDING"),
    ],
)
def test_a_loop_has_the_worst_state_of_its_folds(compiled: Path, states: dict[str, str], state: str) -> None:
    run, graph = run_with(compiled / "benchmark.yaml", states=states, folds=3)
    train = next(step for step in steps_of(run, graph) if step.name == "train")
    assert train.state == state
    assert train.total == len(states)


def test_the_hash_is_fnv_1a() -> None:
    assert [fnv1a(text) for text in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]


def test_a_terminal_shows_one_table_that_changes(compiled: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None, legacy_windows=False)
    with RunView(console, expected=5) as view:
        for states in ({"index": "RUNNING"}, {"index": "SUCCEEDED", "train:0": "SUCCEEDED", "train:1": "FAILED"}):
            run, graph = run_with(compiled / "benchmark.yaml", states=states, folds=2)
            view.show(Progress(run, graph, steps_of(run, graph)))
    last = out.getvalue().rpartition("first: running")[2]
    assert "1 of 5 done, 1 failed (number 2)" in last
    assert "\x1b[?25h" in last  # the cursor is back

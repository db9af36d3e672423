"""The gate in two steps: a decision is recorded, and an alias moves on it alone, perhaps after an approval."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from merflow.contracts.gate_decision import Check, Contender, GateDecision
from merflow.contracts.gate_outcome import GateOutcome
from merflow.errors import RegistryError
from merflow.jobs.gate import decision_markdown, figures_of, outcome_of, promote_decided
from merflow.promotion.registry.aliases import read_aliases
from merflow.promotion.registry.audit import audit
from merflow.promotion.registry.promote import approve_version, decide_version, promote_on, promote_version
from merflow.promotion.registry.registry import Registry
from merflow.tracking.connection import Connection
from tests.promotion.registry.versions import YES, logged_model, register, says

Make = Callable[[str, int], Registry]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a function that makes a registered model with so many versions."""
    folder = tmp_path_factory.mktemp("gate")
    connection = Connection(f"sqlite:///{folder / 'mlflow.db'}")
    model = logged_model(connection.uri, folder / "model")

    def make(name: str, versions: int) -> Registry:
        registry = Registry(connection, name, who="pipeline")
        for _ in range(versions):
            register(registry, model)
        return registry

    return make


def decision(*, passes: bool) -> GateDecision:
    checks = (
        Check(name="card", passed=True, sentence="It has a card."),
        Check(name="accuracy", passed=passes, measured=-0.04, sentence="UA | is lower.", remedy="Train better"),
    )
    return GateDecision(
        candidate=Contender(variant="mfdr:gru", kind="refit", version="1", digest="a"),
        champion=None,
        mode="enforce",
        checks=checks,
        promoted=passes,
        forced="",
        policy="p",
        at="2026-01-01T00:00:00+00:00",
        by="pipeline",
    )


def aliases(registry: Registry) -> dict[str, int]:
    return read_aliases(registry.connection, registry.name)


def test_a_decision_moves_nothing_until_it_is_acted_on(registered: Make) -> None:
    registry = registered("two-steps", 1)
    done = decide_version(registry, "1", decide=says(decision(passes=True)))
    assert (done.status, aliases(registry)) == ("decided", {"candidate": 1})
    outcome = GateOutcome.from_json(outcome_of(done).to_json())
    assert promote_decided(registry, outcome, approval_h=0)[0].startswith("version 1 of 'two-steps' is promoted")
    assert aliases(registry) == {"champion": 1}
    again = decide_version(registry, "1", decide=YES)
    assert again.status == "unchanged"
    said = promote_decided(registry, outcome_of(again), approval_h=0)
    assert said == ("version 1 of 'two-steps': nothing moves, for it is the champion already",)
    assert promote_decided(registry, outcome, approval_h=0) == ("version 1 of 'two-steps' is the champion already",)
    assert audit(registry).problems == ()


def test_a_refusal_is_shown_with_all_its_checks_and_then_raised(registered: Make) -> None:
    registry = registered("refused", 1)
    done = decide_version(registry, "1", decide=says(decision(passes=False)))
    page = decision_markdown(done, uri="http://mlflow", approval_h=0)
    assert "mfdr:gru is refused: 1 of 2 checks failed." in page
    assert "| **failed** | accuracy | UA \\| is lower. | Train better |" in page
    assert "| passed | card |" in page
    assert figures_of(done) == {"checks": 2, "failed checks": 1, "accuracy": -0.04}
    with pytest.raises(RegistryError, match=r"the gate refused version 1 of 'refused': .*accuracy: UA \| is lower"):
        promote_decided(registry, outcome_of(done), approval_h=0)
    assert aliases(registry) == {"candidate": 1}


def test_an_approval_that_comes_while_it_waits_counts_and_no_approval_ends_the_wait(registered: Make) -> None:
    registry = registered("waits", 1)
    done = decide_version(registry, "1", decide=says(decision(passes=True)))
    page = decision_markdown(done, uri="http://mlflow", approval_h=2)
    assert "merflow registry approve 1 --name waits --by NAME --reason TEXT --tracking-uri http://mlflow" in page
    with pytest.raises(RegistryError, match=r"nobody approved decision .* within 1e-09 h; approve it with"):
        promote_decided(registry, outcome_of(done), approval_h=1e-9, poll_s=0.01)
    assert aliases(registry) == {"candidate": 1}

    said: list[str] = []
    waiting = threading.Thread(
        target=lambda: said.extend(promote_decided(registry, outcome_of(done), approval_h=1, poll_s=0.05))
    )
    waiting.start()
    time.sleep(0.2)
    anna = Registry(registry.connection, registry.name, who="Anna")
    approve_version(anna, "1", reason="Read the card.")
    waiting.join(timeout=60)
    assert said == [f"version 1 of 'waits' is promoted: decision {done.decision}, approved by Anna"]
    assert aliases(registry) == {"champion": 1}


def test_a_decision_against_a_champion_of_yesterday_is_not_acted_on(registered: Make) -> None:
    registry = registered("late", 2)
    done = decide_version(registry, "2", decide=says(decision(passes=True)))
    promote_version(registry, "1", decide=YES)
    with pytest.raises(RegistryError, match="was compared with no champion, but the champion is now version 1"):
        promote_decided(registry, outcome_of(done), approval_h=1)
    with pytest.raises(RegistryError, match="has no decision abc about version 2"):
        promote_on(registry, "2", decision="abc", require_approval=False)


def test_the_files_of_a_benchmark_are_put_together_from_links(tmp_path: Path) -> None:
    from merflow.jobs.package import put_together
    from merflow.runs.workspace import Workspace

    fold = tmp_path / "workspace/folds/abc-def"
    (fold / "model").mkdir(parents=True)
    (fold / "model/weights.safetensors").write_bytes(b"w")
    artifacts = {name: tmp_path / name for name in ("manifest", "splits", "features", "results", "run")}
    for name, path in artifacts.items():
        path.write_text(name)
    workspace = Workspace(tmp_path / "workspace")
    folder = put_together(workspace, [fold], artifacts=artifacts)
    artifacts["results"] = tmp_path / "newer"
    artifacts["results"].write_text("newer")
    assert put_together(workspace, [fold], artifacts=artifacts) == folder
    assert {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()} == {
        "manifest.parquet": "manifest",
        "splits.parquet": "splits",
        "features.json": "features",
        "results.json": "newer",
        "run.json": "run",
        "folds/abc-def/model/weights.safetensors": "w",
    }

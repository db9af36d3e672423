"""A real package through everything that promotion asks of it: card, smoke test, costs, gate."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from merflow.contracts.costs import write_costs, write_smoke_test
from merflow.contracts.model_package import MEMBERS, read_package
from merflow.promotion.card.page import write_card
from merflow.promotion.costs import PackageLoader, measure_costs, smoke_test
from merflow.promotion.gate.evidence import read_evidence
from merflow.promotion.gate.gate import decide, policy_of
from merflow.promotion.probe_clips import probe_clips

LOAD = PackageLoader()


@pytest.fixture
def package(refitted: Path, tmp_path: Path) -> Path:
    """Return a copy of the refit."""
    return Path(shutil.copytree(refitted, tmp_path / "package"))


def test_a_refit_goes_through_card_smoke_test_costs_and_gate(package: Path, ensemble: Path) -> None:
    facts = read_package(package)
    clips = probe_clips(facts, count=2)
    write_card(package)
    outcome = smoke_test(package, clips, task=facts.predicted, load=LOAD)
    write_smoke_test(package, outcome)
    costs, others = measure_costs([package, ensemble], clips, load=LOAD, rounds=1, repeats=1)
    write_costs(package, costs)

    found = read_evidence(package)
    champion = replace(read_evidence(ensemble), costs=others)
    decision = decide(found, champion, policy_of(), mode="enforce", at="now", by="ada")

    passed = {check.name for check in decision.checks if check.passed}
    assert outcome.passed, outcome.error
    assert 0 < costs.size_mib < others.size_mib
    assert {"smoke test", "model card", "taxonomy", "split", "test pairs", "test predictions", "latency"} <= passed
    accuracy = next(check for check in decision.checks if check.name == "accuracy")
    assert accuracy.measured == 0.0  # refit and ensemble rest on the same cross-validation
    assert not decision.promoted
    card = (package / "card.md").read_text(encoding="utf-8")
    assert card.startswith("> **Synthetic data")
    assert facts.lineage.split_id in card


def test_a_changed_model_fails_the_smoke_test(package: Path) -> None:
    weights = next((package / MEMBERS).rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    facts = read_package(package)

    outcome = smoke_test(package, probe_clips(facts, count=1), task=facts.predicted, load=LOAD)

    assert not outcome.passed
    assert "was changed" in outcome.error

"""The decision as a whole: verdicts, modes, what cannot be compared, purity."""

import re
from typing import Any

import pandas as pd
import pytest

from merflow.contracts.costs import SmokeTest
from merflow.contracts.gate_decision import GateDecision, Mode
from tests.promotion import drawn_predictions, packages
from tests.promotion.gate.contenders import champion, decided, evidence, failed, of_package, policy


def test_a_better_candidate_is_promoted() -> None:
    decision = decided(evidence(), champion())

    assert failed(decision) == []
    assert decision.promoted
    assert decision.candidate.version == "2"
    assert decision.champion is not None
    assert decision.champion.version == "1"
    names = [check.name for check in decision.checks]
    assert len(names) == len(set(names))
    assert {"accuracy", "emotion sad", "gender F", "session 5", "coverage F", "latency", "smoke test"} <= set(names)
    assert all(check.sentence.endswith(".") and not check.remedy for check in decision.checks)


def test_the_first_champion_needs_no_other() -> None:
    decision = decided(evidence(), None)

    assert decision.promoted
    assert decision.champion is None
    assert "above chance" in [check.name for check in decision.checks]
    assert "accuracy" not in [check.name for check in decision.checks]


def test_every_check_is_shown_with_its_numbers() -> None:
    decision = decided(evidence(has_card=False), champion())

    assert decision.sentences[0] == decision.lines[0] == "mfdr:full is refused: 1 of 37 checks failed."
    assert len(decision.sentences) == 2
    assert len(decision.lines) == 38
    card = "model card: The package has no model card. Register the model again with merflow registry register, which"
    assert decision.sentences[1].startswith(card)
    assert [line for line in decision.lines if line.startswith("FAILED")] == [f"FAILED  {decision.sentences[1]}"]
    accuracy = next(line for line in decision.lines if line.startswith("passed  accuracy: "))
    assert re.search(r"UA is \+\d+\.\d points .*95% interval \+\d+\.\d to \+\d+\.\d", accuracy)


@pytest.mark.parametrize("mode", ["enforce", "warn", "dry-run"])
@pytest.mark.parametrize("passes", [True, False])
@pytest.mark.parametrize("forced", ["", "the champion is offline"])
def test_modes(mode: Mode, passes: bool, forced: str) -> None:
    decision = decided(evidence(has_card=passes), None, mode=mode, forced=forced)

    assert decision.passed == passes
    assert decision.promoted == (mode != "dry-run" and (passes or mode == "warn" or forced != ""))
    assert decision.forced == forced
    assert decision.verdict.startswith("mfdr:full ")


@pytest.mark.parametrize("how", [{"mode": "warn"}, {"forced": "because"}])
@pytest.mark.parametrize(
    ("changes", "use"),
    [
        ({"smoke_test": SmokeTest(passed=False, clips=0, seconds=1.0, error="no such encoder")}, "research"),
        ({"smoke_test": None}, "research"),
        ({}, "workplace"),
    ],
)
def test_nothing_gets_past_a_model_that_does_not_load_or_a_prohibited_use(
    how: dict[str, Any], changes: dict[str, Any], use: str
) -> None:
    decision = decided(evidence(**changes), None, policy(use={"intended": use}), **how)

    assert len(decision.failed) == 1
    assert not decision.promoted


def test_other_splits_are_not_compared() -> None:
    lineage = packages.package().lineage.model_copy(update={"split_id": "77" * 8})
    other = of_package(lineage=lineage)(evidence(stress=packages.stress(split_id="77" * 8)))

    decision = decided(other, champion())

    assert failed(decision) == ["split"]
    assert "22222222" in decision.failed[0].sentence
    assert "accuracy" not in [check.name for check in decision.checks]


def test_other_test_utterances_are_not_compared() -> None:
    frame = drawn_predictions.utterances(dialogues=7)
    fewer = evidence(utterances=frame, predictions=drawn_predictions.predictions(frame, skill=1.4))

    decision = decided(fewer, champion())

    assert failed(decision) == ["test pairs"]
    assert "100 by the champion only" in decision.failed[0].sentence


def test_a_missing_fold_is_an_outcome_and_no_crash() -> None:
    rows = evidence().predictions
    decision = decided(evidence(predictions=rows[rows["fold"] != 3]), champion())

    assert failed(decision) == ["test predictions", "test pairs"]
    assert "missing folds [3]" in decision.failed[0].sentence


def test_a_damaged_champion_is_an_outcome_and_no_crash() -> None:
    rows = evidence().predictions
    decision = decided(evidence(), champion(predictions=rows[rows["fold"] != 3]))

    assert failed(decision) == ["test pairs"]


def test_the_decision_is_pure_and_round_trips() -> None:
    candidate, against = evidence(), champion()
    before = [frame.copy(deep=True) for side in (candidate, against) for frame in (side.predictions, side.utterances)]

    first, second = decided(candidate, against), decided(candidate, against)

    assert first == second
    after = [frame for side in (candidate, against) for frame in (side.predictions, side.utterances)]
    for old, new in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(old, new)
    assert GateDecision.model_validate_json(first.model_dump_json()) == first


def test_a_verdict_that_its_checks_do_not_support_is_damage() -> None:
    decision = decided(evidence(has_card=False), None)

    with pytest.raises(ValueError, match="the checks say False"):
        GateDecision.model_validate(decision.model_dump() | {"promoted": True})

"""Every check with evidence that passes it and evidence that fails it."""

from dataclasses import replace

import pytest

from merflow.contracts.calibration_record import GroupCoverage
from merflow.contracts.model_package import Validation
from merflow.contracts.selection import NONE_PAPER
from merflow.contracts.stress_results import SkippedCondition
from merflow.contracts.use_exception import UseException
from merflow.promotion.gate.evidence import Signature
from tests.promotion import drawn_predictions, packages
from tests.promotion.gate.contenders import (
    BETTER,
    CHAMPION_SKILL,
    Change,
    champion,
    decided,
    evidence,
    failed,
    of,
    of_costs,
    of_package,
    policy,
    predicted,
)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (of_package(promotable=False), ["honest selection"]),
        (of_package(selection=NONE_PAPER), ["honest selection"]),
        (of_package(validation=None), ["corpus validation"]),
        (of_package(validation=Validation(passed=False, checks=9, failed=("silent",))), ["corpus validation"]),
        (of(has_card=False), ["model card"]),
        (of(calibration=None), ["calibration"]),
        (
            of(calibration=packages.calibration(ece=0.2)),
            ["calibration error", "calibration error against the champion"],
        ),
        (of(calibration=packages.calibration(ece=0.07)), ["calibration error against the champion"]),
        (of(calibration=packages.calibration(gender_coverage=0.8)), ["coverage F"]),
        (of(calibration=packages.calibration(coverage=0.8)), ["coverage M", "coverage all utterances"]),
        (of(stress=None), ["stress suite"]),
        (of(stress=packages.stress(split_id="another")), ["stress suite"]),
        (of(stress=packages.stress(conditions=())), ["stress suite"]),
        (of(stress=packages.stress(failed=("telephone", "no-text"))), ["stress conditions"]),
        (of(stress=packages.stress(failed=("gender F",))), ["stress groups"]),
        (of(costs=None), ["costs"]),
        (of_costs(latency_ms=6000), ["latency", "latency against the champion"]),
        (of_costs(latency_ms=100), ["latency against the champion"]),
        (of_costs(resident_mib=20_000), ["resident memory", "resident memory against the champion"]),
        (of_costs(size_mib=9000), ["size", "size against the champion"]),
        (of_costs(measurement="m2"), ["growth"]),
        (of(signature=Signature(("audio", "text", "video"), drawn_predictions.CLASSES)), ["signature"]),
        (of(signature=Signature(("audio",), drawn_predictions.CLASSES[::-1])), ["signature"]),
        (of_package(taxonomy="iemocap6"), ["taxonomy"]),
        (of(predictions=predicted(skill=CHAMPION_SKILL, chance=3)), ["accuracy"]),
        (of(predictions=predicted(skill=BETTER + 1, chance=3, weak={"sad": 2.6})), ["emotion sad"]),
        (of(predictions=predicted(skill=BETTER + 1, chance=3, weak={"F": 2.3})), ["gender F"]),
        (of(predictions=predicted(skill=BETTER + 1, chance=3, weak={"3": 2.9})), ["session 3"]),
    ],
)
def test_each_check_refuses_what_it_is_for(change: Change, names: list[str]) -> None:
    decision = decided(change(evidence()), champion())

    assert failed(decision) == names
    assert not decision.promoted
    assert all(check.remedy and check.sentence.endswith(".") for check in decision.failed)


def test_a_model_at_chance_is_not_a_first_champion() -> None:
    decision = decided(evidence(predictions=predicted(skill=-1.35)), None)

    assert failed(decision) == ["above chance"]


def test_few_dialogues_decide_nothing() -> None:
    frame = drawn_predictions.utterances(dialogues=1)
    found = [
        evidence(utterances=frame, predictions=drawn_predictions.predictions(frame, skill=skill))
        for skill in (3.0, 0.0)
    ]

    assert failed(decided(found[0], found[1])) == ["above chance", "accuracy"]


def test_non_inferior_accepts_an_equal_model_and_refuses_a_worse_one() -> None:
    loose = policy(accuracy={"require": "non-inferior", "margin": 0.1})
    equal, worse = (evidence(predictions=predicted(skill=skill, chance=8)) for skill in (CHAMPION_SKILL, -0.4))

    assert decided(equal, champion(), loose).promoted
    assert "accuracy" in failed(decided(worse, champion(), loose))


def test_groups_can_be_asked_to_prove_that_they_are_not_worse() -> None:
    strict = policy(groups={"refuse": "not-shown-equal", "margin": 0.0})
    equal = predicted(skill=CHAMPION_SKILL, chance=4)

    refused = failed(decided(evidence(predictions=equal), champion(), strict))

    assert "gender F" in refused
    assert "gender F" not in failed(decided(evidence(), champion(), strict))


def test_seeds_of_both_sides_may_differ_and_equal_ones_are_compared_too() -> None:
    three = predicted(skill=BETTER, chance=1, seeds=(0, 1, 2))
    against_one = decided(evidence(predictions=three), champion())
    against_three = decided(
        evidence(predictions=three), champion(predictions=predicted(skill=0.6, chance=2, seeds=(0, 1, 2)))
    )

    assert against_one.promoted
    assert against_three.promoted
    sentences = [next(c.sentence for c in d.checks if c.name == "accuracy") for d in (against_one, against_three)]
    assert "Over 3 seeds" not in sentences[0]
    assert "Over 3 seeds" in sentences[1]
    assert "800 utterances" in sentences[1]


def test_a_grouping_that_the_corpus_does_not_know_is_reported() -> None:
    frame = drawn_predictions.utterances().drop(columns="gender")
    drawn = evidence().predictions
    decision = decided(evidence(utterances=frame, predictions=drawn), champion(utterances=frame))

    assert decision.promoted
    assert next(check for check in decision.checks if check.name == "gender").sentence.startswith("Not compared")


def test_must_pass() -> None:
    named = policy(stress={"must_pass": ["noise-10dB", "telefone"]})
    decision = decided(evidence(), champion(), named)

    assert failed(decision) == ["stress noise-10dB", "stress telefone"]
    assert "did you mean 'telephone'?" in decision.failed[1].remedy


def test_a_condition_that_was_skipped_has_not_passed() -> None:
    skipped = (SkippedCondition(name="codec-opus", reason="PyAV is not installed"),)
    candidate = evidence(stress=packages.stress(skipped=skipped))

    assert decided(candidate, champion()).promoted
    decision = decided(candidate, champion(), policy(stress={"must_pass": ["codec-opus"]}))
    assert failed(decision) == ["stress codec-opus"]
    assert "PyAV" in decision.failed[0].sentence


@pytest.mark.parametrize(
    ("exception", "passes"),
    [
        (None, False),
        (UseException(use="Workplace", ground="safety", reason="fatigue of pilots in a simulator", by="ada"), True),
        (UseException(use="education", ground="medical", reason="a study of autism, with consent", by="ada"), False),
    ],
)
def test_a_prohibited_use_needs_its_own_exception(exception: UseException | None, passes: bool) -> None:
    decision = decided(evidence(use_exception=exception), None, policy(use={"intended": "workplace"}))

    assert decision.promoted == passes
    if passes:
        check = next(check for check in decision.checks if check.name == "intended use")
        assert "fatigue of pilots" in check.sentence


def test_lenient_policies_accept_what_is_missing() -> None:
    lenient = policy(
        calibration={"required": False},
        stress={"required": False},
        costs={"required": False},
        package={"validation_required": False, "new_inputs": "allow"},
    )
    bare = of_package(validation=None)(evidence(calibration=None, stress=None, costs=None))
    more = replace(bare, signature=Signature(("audio", "text", "video"), drawn_predictions.CLASSES))

    assert decided(more, champion(), lenient).promoted


def test_coverage_is_judged_at_the_level_of_the_family() -> None:
    low = packages.calibration()
    group = GroupCoverage(
        utterances=400, coverage=0.87, ci95=(0.845, 0.895), mean_size=1.5, answered=0.6, accuracy_when_answered=0.8
    )
    narrow = low.model_copy(update={"held_out": low.held_out.model_copy(update={"groups": {"F": group, "M": group}})})

    assert failed(decided(evidence(calibration=narrow), None)) == ["coverage F", "coverage M"]
    assert failed(decided(evidence(calibration=narrow), None, policy(calibration={"level": 0.005}))) == []

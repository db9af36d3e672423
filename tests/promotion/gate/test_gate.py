"""Every check with evidence that passes it and evidence that fails it, and the verdicts that follow."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from merflow.contracts.calibration_record import GroupCoverage
from merflow.contracts.costs import SmokeTest
from merflow.contracts.gate_decision import GateDecision, Mode, read_decision, write_decision
from merflow.contracts.gate_policy import GatePolicy
from merflow.contracts.model_package import Validation
from merflow.contracts.selection import NONE_PAPER
from merflow.contracts.use_exception import UseException
from merflow.promotion.gate.evidence import Evidence, Signature
from merflow.promotion.gate.gate import decide, policy_of
from tests.promotion import packages

AT, BY = "2026-01-02T03:04:05Z", "ada"
CHAMPION_SKILL, BETTER = 0.6, 1.4
AGAINST = "calibration error against the champion"


def evidence(**changes: Any) -> Evidence:  # noqa: ANN401 - any field
    """Return evidence that passes every check of the shipped policy against :func:`champion`."""
    frame = packages.utterances()
    facts = packages.package()
    whole = Evidence(
        package=facts,
        predictions=packages.predictions(frame, skill=BETTER, chance=1),
        utterances=frame,
        calibration=packages.calibration(),
        stress=packages.stress(failed=("noise-10dB",)),
        costs=packages.costs(),
        smoke_test=packages.SMOKE,
        has_card=True,
        use_exception=None,
        signature=Signature(inputs=facts.modalities, outputs=facts.classes),
        digest="c" * 64,
        version="2",
    )
    return replace(whole, **changes)


def champion(**changes: Any) -> Evidence:  # noqa: ANN401 - any field
    weaker = packages.predictions(packages.utterances(), skill=CHAMPION_SKILL, chance=2)
    return evidence(**{"predictions": weaker, "version": "1", "digest": "d" * 64} | changes)


def policy(**sections: dict[str, Any]) -> GatePolicy:
    """Return the shipped policy with other values; fewer resamples, to be fast."""
    values = policy_of().model_dump()
    values["accuracy"]["resamples"] = 500
    for name, changes in sections.items():
        values[name] |= changes
    return GatePolicy.model_validate(values)


def decided(
    candidate: Evidence,
    against: Evidence | None,
    by: GatePolicy | None = None,
    *,
    mode: Mode = "enforce",
    forced: str = "",
) -> GateDecision:
    return decide(candidate, against, by or policy(), mode=mode, at=AT, by=BY, forced=forced)


def failed(decision: GateDecision) -> list[str]:
    return [check.name for check in decision.failed]


def predicted(**how: Any) -> pd.DataFrame:  # noqa: ANN401 - any argument
    return packages.predictions(packages.utterances(), **how)


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


Change = Callable[[Evidence], Evidence]


def of_package(**changes: Any) -> Change:  # noqa: ANN401 - any field
    return lambda found: replace(found, package=found.package.model_copy(update=changes))


def of(**changes: Any) -> Change:  # noqa: ANN401 - any field
    return lambda found: replace(found, **changes)


def of_costs(**changes: Any) -> Change:  # noqa: ANN401 - any field
    return of(costs=packages.costs(**changes))


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
        (of(stress=packages.stress(failed=("telephone", "no-text"))), ["stress conditions"]),
        (of(stress=packages.stress(failed=("gender F",))), ["stress groups"]),
        (of(costs=None), ["costs"]),
        (of_costs(latency_ms=6000), ["latency", "latency against the champion"]),
        (of_costs(latency_ms=100), ["latency against the champion"]),
        (of_costs(resident_mib=20_000), ["resident memory", "resident memory against the champion"]),
        (of_costs(size_mib=9000), ["size", "size against the champion"]),
        (of_costs(measurement="m2"), ["growth"]),
        (of(signature=Signature(("audio", "text", "video"), packages.CLASSES)), ["signature"]),
        (of(signature=Signature(("audio",), packages.CLASSES[::-1])), ["signature"]),
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


def test_other_splits_are_not_compared() -> None:
    lineage = packages.package().lineage.model_copy(update={"split_id": "77" * 8})
    other = of_package(lineage=lineage)(evidence(stress=packages.stress(split_id="77" * 8)))

    decision = decided(other, champion())

    assert failed(decision) == ["split"]
    assert "22222222" in decision.failed[0].sentence
    assert "accuracy" not in [check.name for check in decision.checks]


def test_other_test_utterances_are_not_compared() -> None:
    frame = packages.utterances(dialogues=7)
    fewer = evidence(utterances=frame, predictions=packages.predictions(frame, skill=BETTER))

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


def test_a_model_at_chance_is_no_first_champion() -> None:
    decision = decided(evidence(predictions=predicted(skill=-1.35)), None)

    assert failed(decision) == ["above chance"]


def test_few_dialogues_decide_nothing() -> None:
    frame = packages.utterances(dialogues=1)
    found = [evidence(utterances=frame, predictions=packages.predictions(frame, skill=skill)) for skill in (3.0, 0.0)]

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


def test_a_grouping_that_the_corpus_does_not_know_is_said() -> None:
    frame = packages.utterances().drop(columns="gender")
    drawn = evidence().predictions
    decision = decided(evidence(utterances=frame, predictions=drawn), champion(utterances=frame))

    assert decision.promoted
    assert next(check for check in decision.checks if check.name == "gender").sentence.startswith("Not compared")


def test_must_pass() -> None:
    named = policy(stress={"must_pass": ["noise-10dB", "telefone"]})
    decision = decided(evidence(), champion(), named)

    assert failed(decision) == ["stress noise-10dB", "stress telefone"]
    assert "did you mean 'telephone'?" in decision.failed[1].remedy


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
    more = replace(bare, signature=Signature(("audio", "text", "video"), packages.CLASSES))

    assert decided(more, champion(), lenient).promoted


def test_the_decision_is_pure_and_round_trips(tmp_path: Path) -> None:
    candidate, against = evidence(), champion()
    before = [frame.copy(deep=True) for side in (candidate, against) for frame in (side.predictions, side.utterances)]

    first, second = decided(candidate, against), decided(candidate, against)

    assert first == second
    after = [frame for side in (candidate, against) for frame in (side.predictions, side.utterances)]
    for old, new in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(old, new)
    write_decision(tmp_path, first)
    assert read_decision(tmp_path) == first


def test_a_verdict_that_its_checks_do_not_support_is_damage() -> None:
    decision = decided(evidence(has_card=False), None)

    with pytest.raises(ValueError, match="the checks say False"):
        GateDecision.model_validate(decision.model_dump() | {"promoted": True})


def test_coverage_is_judged_at_the_level_of_the_family() -> None:
    low = packages.calibration()
    group = GroupCoverage(
        utterances=400, coverage=0.87, ci95=(0.845, 0.895), mean_size=1.5, answered=0.6, accuracy_when_answered=0.8
    )
    narrow = low.model_copy(update={"held_out": low.held_out.model_copy(update={"groups": {"F": group, "M": group}})})

    assert failed(decided(evidence(calibration=narrow), None)) == ["coverage F", "coverage M"]
    assert failed(decided(evidence(calibration=narrow), None, policy(calibration={"level": 0.005}))) == []

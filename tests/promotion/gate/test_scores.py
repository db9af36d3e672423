"""The gate on models of scores: the same checks, by MAE in place of UA and intervals in place of sets."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.gate_error_rates import group_refusal_rate, promotion_rate
from benchmarks.gate_score_worlds import ERROR, ScoreWorld
from merflow.contracts.task import SCALES, Regression
from merflow.promotion.gate.evidence import Signature, read_evidence
from merflow.promotion.gate.gate import policy_of
from merflow.promotion.gate.mean_absolute_error import MeanAbsoluteError
from merflow.promotion.gate.pairing import difference
from tests.promotion import drawn_predictions, score_packages
from tests.promotion.gate.contenders import Change, decided, failed, of, of_package, policy
from tests.promotion.gate.contenders import champion as champion_of_emotions
from tests.promotion.gate.contenders import evidence as evidence_of_emotions
from tests.promotion.gate.rates import at_most
from tests.promotion.score_packages import TASK, champion, evidence, predicted

FIGURE = MeanAbsoluteError(TASK)
SHIPPED = policy_of()


def test_a_better_candidate_is_promoted() -> None:
    decision = decided(evidence(), champion())

    assert failed(decision) == []
    assert decision.promoted
    names = [check.name for check in decision.checks]
    assert len(names) == len(set(names))
    assert {"task", "better than a constant", "accuracy", "third high", "gender F", "session 5"} <= set(names)
    assert {"interval width", "interval width against the champion", "coverage F"} <= set(names)
    assert not {"taxonomy", "above chance", "emotion", "calibration error"} & set(names)
    assert not any(name.startswith("emotion") for name in names)
    accuracy = next(check for check in decision.checks if check.name == "accuracy")
    assert re.search(r"The gain in MAE over the champion is \+0\.\d+ \(95% interval \+0\.\d+ to", accuracy.sentence)
    ours, theirs = (np.abs(side.predictions["score"] - side.predictions["label"]) for side in (evidence(), champion()))
    assert accuracy.measured == pytest.approx(theirs.mean() - ours.mean())
    assert accuracy.unit == "scale"


def test_the_first_champion_must_be_better_than_a_constant() -> None:
    assert decided(evidence(), None).promoted
    decision = decided(evidence(predictions=predicted(error=1.6)), None)
    assert failed(decision) == ["better than a constant"]
    labels = predicted()["label"]
    floor = np.abs(labels - labels.median()).mean()
    assert f"{floor:.3f} for the median of the labels" in decision.failed[0].sentence


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (of(calibration=None), ["calibration"]),
        (of(calibration=score_packages.calibration(gender_coverage=0.8)), ["coverage F"]),
        (of(calibration=score_packages.calibration(coverage=0.8)), ["coverage M", "coverage all utterances"]),
        (of(calibration=score_packages.calibration(width=2.3)), ["interval width against the champion"]),
        (of(signature=Signature(("audio", "text"), ("valence",))), ["signature"]),
        (of(stress=None), ["stress suite"]),
        (of(stress=score_packages.stress(failed=("telephone", "no-text"))), ["stress conditions"]),
        (of(stress=score_packages.stress(failed=("gender F",))), ["stress groups"]),
        (of_package(scale=(-1.0, 1.0)), ["test predictions", "task"]),
        (of(predictions=predicted(error=0.8, chance=3)), ["accuracy"]),
        (of(predictions=predicted(error=0.3, chance=3, weak={"high": 1.2})), ["third high"]),
        (of(predictions=predicted(error=0.3, chance=3, weak={"F": 0.8})), ["gender F"]),
        (of(predictions=predicted(error=0.3, chance=3, weak={"3": 1.0})), ["session 3"]),
    ],
)
def test_each_check_refuses_what_it_is_for(change: Change, names: list[str]) -> None:
    decision = decided(change(evidence()), champion())

    assert failed(decision) == names
    assert not decision.promoted
    assert all(check.remedy and check.sentence.endswith(".") for check in decision.failed)


def test_a_width_can_be_demanded() -> None:
    decision = decided(evidence(), None, policy(calibration={"max_width": 0.3}))

    assert failed(decision) == ["interval width"]
    assert decision.failed[0].measured == pytest.approx(1.9 / 6)


def test_non_inferior_accepts_an_equal_model_and_refuses_a_worse_one() -> None:
    loose = policy(accuracy={"require": "non-inferior", "margin_mae": 0.02})
    equal, worse = (evidence(predictions=predicted(error=error, chance=8)) for error in (0.8, 1.1))

    assert decided(equal, champion(), loose).promoted
    refused = decided(worse, champion(), loose)
    assert "accuracy" in failed(refused)
    assert next(check for check in refused.checks if check.name == "accuracy").limit == pytest.approx(-0.12)


def test_emotions_and_scores_are_not_compared() -> None:
    against = decided(evidence(), champion_of_emotions())
    assert failed(against) == ["signature", "task"]
    assert "The candidate predicts sentiment from -3 to 3, the champion emotion." in against.sentences[2]
    assert failed(decided(evidence_of_emotions(), champion())) == ["signature", "task"]


def test_three_seeds_are_compared_over_seeds_too() -> None:
    sides = [predicted(error=error, chance=chance, seeds=(0, 1, 2)) for error, chance in ((0.5, 1), (0.8, 2))]
    decision = decided(evidence(predictions=sides[0]), champion(predictions=sides[1]))
    sentence = next(check.sentence for check in decision.checks if check.name == "accuracy")
    assert re.search(r"800 utterances .* Over 3 seeds it is \+0\.\d+ \(\+0\.\d+ to \+0\.\d+\)", sentence)


def test_evidence_is_read_from_a_folder(tmp_path: Path) -> None:
    found = read_evidence(score_packages.write_folder(tmp_path / "package"))
    assert found.signature.outputs == ("sentiment",)
    assert found.calibration == score_packages.calibration()
    assert FIGURE.tested(found).scores.tolist() == pytest.approx(score_packages.predicted()["score"].tolist())


def test_the_interval_is_the_jackknife_s_and_students() -> None:
    frame = drawn_predictions.utterances(dialogues=1).groupby("dialogue_id").head(4)
    candidate, against = (
        FIGURE.tested(evidence(predictions=score_packages.predictions(frame, error=e, chance=c), utterances=frame))
        for e, c in ((0.5, 1), (0.8, 2))
    )
    whole = np.full(len(candidate.labels), fill_value=True)
    sums = np.stack([FIGURE.sums(side, whole) for side in (candidate, against)])
    found = difference(sums, figure=FIGURE, utterances=len(frame), tail=0.025)

    gains = np.abs(against.scores - against.labels) - np.abs(candidate.scores - candidate.labels)
    left_out = np.array([gains[candidate.dialogues != dialogue].mean() for dialogue in range(5)])
    error = (4 / 5 * ((left_out - left_out.mean()) ** 2).sum()) ** 0.5
    assert found.delta == pytest.approx(gains.mean())
    assert found.standard_error == pytest.approx(error)
    assert found.interval is not None
    assert found.interval[0] == pytest.approx(gains.mean() - stats.t.ppf(0.975, 4) * error)


def test_four_dialogues_have_no_interval() -> None:
    assert FIGURE.spread(np.ones((2, 4, 2)), utterances=4) is None
    assert FIGURE.spread(np.ones((2, 5, 2)), utterances=5) is not None


def test_thirds_are_those_of_the_scale() -> None:
    tested = FIGURE.tested(evidence())
    found = FIGURE.label_groups(tested)
    assert set(found) == {"low", "middle", "high"}
    assert (found == "low").tolist() == (tested.labels < -1).tolist()
    assert (found == "high").tolist() == (tested.labels > 1).tolist()


@pytest.mark.parametrize("task", SCALES.values(), ids=str)
def test_thirds_do_not_depend_on_the_direction_of_the_scale(task: Regression) -> None:
    figure, labels = MeanAbsoluteError(task), np.arange(6 * task.low, 6 * task.high + 1) / 6  # means of up to 3 raters
    tested = replace(FIGURE.tested(evidence()), labels=labels)
    mirrored = replace(tested, labels=task.low + task.high - labels)
    opposite = {"low": "high", "middle": "middle", "high": "low"}
    assert figure.label_groups(mirrored).tolist() == [opposite[name] for name in figure.label_groups(tested)]


@pytest.mark.parametrize("world", [ScoreWorld(20), ScoreWorld(20, unequal=1.0, heavy=True), ScoreWorld(20, seeds=3)])
def test_equal_models_are_promoted_no_more_often_than_the_level(world: ScoreWorld) -> None:
    rate = promotion_rate(world, SHIPPED.accuracy, trials=1000)

    assert 0 < rate <= at_most(SHIPPED.accuracy.level, trials=1000)


def test_a_model_that_is_worse_by_the_margin_is_refused_at_the_stated_power() -> None:
    asked = SHIPPED.accuracy.model_copy(update={"require": "non-inferior"})
    worse = ScoreWorld(20, gain=-asked.margin_mae * (TASK.high - TASK.low))
    rate = promotion_rate(worse, asked, trials=1000)

    assert 0 < rate <= at_most(asked.level, trials=1000)
    assert promotion_rate(ScoreWorld(150, gain=0.1), SHIPPED.accuracy, trials=100) > 0.9


def test_equal_groups_are_refused_no_more_often_than_the_level_of_the_family() -> None:
    rate = group_refusal_rate(ScoreWorld(40), SHIPPED.groups, trials=100)

    assert rate <= at_most(SHIPPED.groups.level, trials=100)
    worse = ScoreWorld(150, gain=-0.3, group="session 1")
    assert group_refusal_rate(worse, SHIPPED.groups, trials=10, only="session 1") == 1.0


@pytest.mark.parametrize(("gain", "heavy"), [(0.0, False), (0.1, False), (0.1, True)])
def test_the_simulated_models_differ_by_what_they_should(gain: float, heavy: bool) -> None:
    """The simulation itself is right: its true difference is that of very many dialogues."""
    sides = ScoreWorld(8000, gain=gain, heavy=heavy).draw(np.random.default_rng(3))
    candidate, against = (np.abs(side.scores - side.labels).mean() for side in sides)

    assert against == pytest.approx(ERROR, abs=0.02)
    assert against - candidate == pytest.approx(gain, abs=0.01)

"""The gate's error rates are those that its policy states; ``benchmarks/gate_error_rates.py`` measures more of them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.gate_error_rates import (
    CLASSES,
    World,
    coverage_refusal_rate,
    group_refusal_rate,
    promotion_rate,
    skill_of,
    true_ua,
)
from merflow.evaluation.metrics import unweighted_accuracy
from merflow.promotion.gate.gate import policy_of
from merflow.promotion.gate.pairing import counts_by_dialogue, difference, resampled_ua

SHIPPED = policy_of()
ACCURACY = SHIPPED.accuracy.model_copy(update={"resamples": 500})
TRIALS = 300


def at_most(level: float, *, trials: int) -> float:
    """Return the rate that a process of this level exceeds once in two thousand times."""
    return float(stats.binom.ppf(0.9995, trials, level)) / trials


def test_equal_models_are_promoted_no_more_often_than_the_level() -> None:
    rate = promotion_rate(World(40), ACCURACY, trials=TRIALS)

    assert rate <= at_most(ACCURACY.level, trials=TRIALS)


def test_several_seeds_of_equal_models_do_not_make_them_differ() -> None:
    rate = promotion_rate(World(20, seeds=3), ACCURACY, trials=TRIALS)

    assert rate <= at_most(ACCURACY.level, trials=TRIALS)


def test_a_better_model_is_found() -> None:
    assert promotion_rate(World(150, gain=0.06), ACCURACY, trials=40) > 0.9


def test_a_model_that_is_worse_by_the_margin_is_refused_at_the_stated_power() -> None:
    policy = ACCURACY.model_copy(update={"require": "non-inferior", "margin": 0.05})

    assert promotion_rate(World(40, gain=-0.05), policy, trials=TRIALS) <= at_most(policy.level, trials=TRIALS)
    assert promotion_rate(World(150), policy, trials=40) > 0.8


def test_equal_groups_are_refused_no_more_often_than_the_level_of_the_family() -> None:
    trials = 100
    rate = group_refusal_rate(World(40), SHIPPED.groups, ACCURACY, trials=trials)

    assert rate <= at_most(SHIPPED.groups.level, trials=trials)


def test_a_much_worse_session_is_refused() -> None:
    worse = World(150, gain=-0.3, session=1)

    assert group_refusal_rate(worse, SHIPPED.groups, ACCURACY, trials=10, only="session 1") == 1.0


def test_a_session_that_is_worse_by_the_margin_does_not_pass_as_not_worse() -> None:
    policy = SHIPPED.groups.model_copy(
        update={"refuse": "not-shown-equal", "margin": 0.1, "level": 0.025, "by": ["session"]}
    )
    worse, trials = World(40, gain=-0.1, session=1), 120
    passed = 1 - group_refusal_rate(worse, policy, ACCURACY, trials=trials, only="session 1")

    assert passed <= at_most(policy.level, trials=trials)


def test_coverage_as_promised_is_refused_no_more_often_than_the_level() -> None:
    trials = 1000
    rate = coverage_refusal_rate(SHIPPED.calibration, coverage=0.9, trials=trials)

    assert 0 < rate <= at_most(SHIPPED.calibration.level, trials=trials)
    assert coverage_refusal_rate(SHIPPED.calibration, coverage=0.84, trials=trials) > 0.8


def test_student_s_interval_keeps_its_level_with_five_dialogues_and_percentiles_do_not() -> None:
    random, tail, trials = np.random.default_rng(11), 0.005, 600
    missed = np.zeros(2)
    for _ in range(trials):
        counts = np.stack(
            [counts_by_dialogue(side, side.labels >= 0, classes=len(CLASSES)) for side in World(5).draw(random)]
        )
        figures = resampled_ua(counts, policy=ACCURACY)
        assert figures is not None
        found = difference(counts, utterances=100, tail=tail, policy=ACCURACY)
        assert found.interval is not None
        low, high = np.percentile(figures[0] - figures[1], [100 * tail, 100 * (1 - tail)])
        missed += [found.interval[0] > 0 or found.interval[1] < 0, low > 0 or high < 0]

    assert missed[0] / trials <= at_most(2 * tail, trials=trials)
    assert missed[1] / trials > 5 * 2 * tail


@pytest.mark.parametrize("gain", [0.0, -0.05, 0.1])
def test_the_simulated_models_differ_by_what_they_should(gain: float) -> None:
    """The simulation itself is right: its true difference is that of very many dialogues."""
    candidate, champion = replace(World(4000), gain=gain).draw(np.random.default_rng(3))
    found = [unweighted_accuracy(v.labels, v.predicted, classes=len(CLASSES)) for v in (candidate, champion)]

    assert true_ua(skill_of(gain)) - true_ua(0.0) == pytest.approx(gain, abs=1e-6)
    assert found[0] - found[1] == pytest.approx(gain, abs=0.01)

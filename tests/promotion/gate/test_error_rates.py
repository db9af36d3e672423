"""The gate's error rates are those that its policy states; ``benchmarks/gate_error_rates.py`` measures more of them."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gate_error_rates import coverage_refusal_rate, group_refusal_rate, promotion_rate
from benchmarks.gate_worlds import CLASSES, World, skill_of, true_ua
from merflow.evaluation.metrics import unweighted_accuracy, unweighted_accuracy_of
from merflow.evaluation.significance import resampled_counts
from merflow.promotion.gate.gate import policy_of
from merflow.promotion.gate.pairing import difference
from merflow.promotion.gate.unweighted_accuracy import UnweightedAccuracy
from tests.promotion.gate.rates import at_most

SHIPPED = policy_of()
ACCURACY = SHIPPED.accuracy
TRIALS = 1000
RARE = World(20, shares=(0.06, 0.14, 0.5, 0.3), unequal=1.0, moods=True)
GOOD = World(20, ease=(4.0, 3.5, 3.0, 3.2))


@pytest.mark.parametrize("world", [World(20), RARE, World(20, unequal=1.0), World(20, seeds=3), World(20, alike=0.95)])
def test_equal_models_are_promoted_no_more_often_than_the_level(world: World) -> None:
    rate = promotion_rate(world, ACCURACY, trials=TRIALS)

    assert rate <= at_most(ACCURACY.level, trials=TRIALS)


def test_a_better_model_is_found() -> None:
    assert promotion_rate(World(150, gain=0.06), ACCURACY, trials=TRIALS) > 0.9


@pytest.mark.parametrize("world", [World(20), RARE, GOOD])
def test_a_model_that_is_worse_by_the_margin_is_refused_at_the_stated_power(world: World) -> None:
    policy = ACCURACY.model_copy(update={"require": "non-inferior", "margin": 0.03})

    rate = promotion_rate(replace(world, gain=-policy.margin), policy, trials=TRIALS)

    assert rate <= at_most(policy.level, trials=TRIALS)


def test_an_equal_model_is_found_to_be_non_inferior() -> None:
    policy = ACCURACY.model_copy(update={"require": "non-inferior", "margin": 0.07})

    assert promotion_rate(World(150), policy, trials=TRIALS) > 0.9


def test_equal_groups_are_refused_no_more_often_than_the_level_of_the_family() -> None:
    trials = 100
    rate = group_refusal_rate(World(40), SHIPPED.groups, trials=trials)

    assert rate <= at_most(SHIPPED.groups.level, trials=trials)


def test_a_much_worse_session_is_refused() -> None:
    worse = World(150, gain=-0.3, group="session 1")

    assert group_refusal_rate(worse, SHIPPED.groups, trials=10, only="session 1") == 1.0


def test_a_session_that_is_worse_by_the_margin_does_not_pass_as_not_worse() -> None:
    policy = SHIPPED.groups.model_copy(
        update={"refuse": "not-shown-equal", "margin": 0.1, "level": 0.025, "by": ["session"]}
    )
    worse, trials = World(40, gain=-0.1, group="session 1"), 120
    passed = 1 - group_refusal_rate(worse, policy, trials=trials, only="session 1")

    assert passed <= at_most(policy.level, trials=trials)


def test_coverage_as_promised_is_refused_no_more_often_than_the_level() -> None:
    trials = 1000
    rate = coverage_refusal_rate(SHIPPED.calibration, coverage=0.9, trials=trials)

    assert 0 < rate <= at_most(SHIPPED.calibration.level, trials=trials)
    assert coverage_refusal_rate(SHIPPED.calibration, coverage=0.84, trials=trials) > 0.8


def test_with_few_unequal_dialogues_a_bootstrap_of_them_misses_too_often_and_the_interval_does_not() -> None:
    random, tail, trials = np.random.default_rng(11), 0.025, 600
    figure = UnweightedAccuracy(CLASSES)
    missed = np.zeros(2)
    for _ in range(trials):
        counts = np.stack([figure.sums(side, side.labels >= 0) for side in RARE.draw(random)])
        found = difference(counts, figure=figure, utterances=len(RARE.dialogue), tail=tail)
        ours = found.interval or (-1.0, 1.0)  # an emotion in a single dialogue: nothing is shown
        figures = unweighted_accuracy_of(resampled_counts(counts, samples=500, seed=0))
        low, high = np.percentile(figures[0] - figures[1], [100 * tail, 100 * (1 - tail)])
        missed += [ours[0] > 0 or ours[1] < 0, low > 0 or high < 0]

    assert missed[0] / trials <= at_most(2 * tail, trials=trials)
    assert missed[1] / trials > at_most(2 * tail, trials=trials)


@pytest.mark.parametrize("gain", [0.0, -0.05, 0.1])
def test_the_simulated_models_differ_by_what_they_should(gain: float) -> None:
    """The simulation itself is right: its true difference is that of very many dialogues."""
    candidate, champion = replace(World(4000), gain=gain).draw(np.random.default_rng(3))
    ease = World().ease
    found = [unweighted_accuracy(v.labels, v.predicted, classes=len(CLASSES)) for v in (candidate, champion)]

    assert true_ua(skill_of(gain, ease=ease), ease=ease) - true_ua(0.0, ease=ease) == pytest.approx(gain, abs=1e-6)
    assert found[0] - found[1] == pytest.approx(gain, abs=0.01)

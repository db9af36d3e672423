"""Thresholds of scores hold their level: simulated models at a limit fail about as rarely as stated."""

import numpy as np
import pytest

from merflow.contracts.task import SCALES
from merflow.evaluation.scores.metrics import figures_of
from merflow.stress.scores.thresholds import SAME_WITHIN, RandomScores, chance_drop, chance_gap, spread_of_errors
from merflow.stress.thresholds import LEVEL

TASK = SCALES["sentiment"]
TRIALS = 2000
# Four standard errors of a rate of 5% over the trials.
TOLERANCE = 4 * (LEVEL * (1 - LEVEL) / TRIALS) ** 0.5
LABELS = np.round(3 * np.random.default_rng(4).normal(0.3, 1.2, size=300).clip(-3, 3)) / 3


def scores_of(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return scores that shrink to the middle and err by 0.8 on the average."""
    return np.asarray(0.2 + 0.6 * labels + rng.normal(0, 0.8, size=labels.shape))


def ccc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the CCC of one sample."""
    value = figures_of(labels, scores, TASK)["CCC"]
    assert value is not None
    return value


def test_a_model_that_guesses_again_without_loss_fails_at_the_stated_rate() -> None:
    rng = np.random.default_rng(1)
    min_unchanged = 0.7
    tested = RandomScores.like(LABELS, scores_of(LABELS, np.random.default_rng(9)))
    limit = chance_drop(tested, min_unchanged=min_unchanged, seed=0)
    differs = np.mean(np.abs(np.diff(rng.normal(0, 0.8, size=(20_000, 2)))) > SAME_WITHIN)
    failed, kept = [], []
    for _ in range(TRIALS):
        before, again = scores_of(LABELS, rng), scores_of(LABELS, rng)
        after = np.where(rng.random(len(LABELS)) < (1 - min_unchanged) / differs, again, before)
        failed.append(ccc(LABELS, before) - ccc(LABELS, after) > limit)
        kept.append((np.abs(after - before) <= SAME_WITHIN).mean())
    assert np.mean(kept) == pytest.approx(min_unchanged, abs=0.01)
    # The errors of one sample stand in for those of all, which costs some of the exactness.
    assert LEVEL / 2 < np.mean(failed) < LEVEL + 2 * TOLERANCE


def test_the_limit_is_that_of_a_plain_loop() -> None:
    model = RandomScores.like(LABELS, scores_of(LABELS, np.random.default_rng(9)))
    rng = np.random.default_rng(5)
    pairs = [abs(a - b) > SAME_WITHIN for row, a in enumerate(model.errors) for b in model.errors[:row]]
    drops = []
    for _ in range(TRIALS):
        before, again = (model.line + rng.choice(model.errors, size=len(LABELS)) for _ in range(2))
        after = np.where(rng.random(len(LABELS)) < (1 - 0.65) / np.mean(pairs), again, before)
        drops.append(ccc(LABELS, before) - ccc(LABELS, after))
    limit = chance_drop(model, min_unchanged=0.65, seed=0)
    assert np.mean(np.array(drops) > limit) == pytest.approx(LEVEL, abs=TOLERANCE)


def test_groups_of_a_model_without_bias_fail_together_at_the_stated_rate() -> None:
    rng = np.random.default_rng(2)
    steps = np.rint(LABELS).astype(int) + 3
    members = rng.integers(0, 6, size=len(LABELS))  # six speakers
    spread = spread_of_errors(LABELS, scores_of(LABELS, np.random.default_rng(9)), task=TASK)
    compared = []
    for group in range(6):
        inside = members == group
        counts = [np.bincount(steps[rows], minlength=7) for rows in (inside, ~inside)]
        shared = np.asarray((np.array(counts) > 0).all(axis=0))
        own, others = (count[shared] for count in counts)
        limit = chance_gap(spread, own, others, groups=6, seed=0)
        weights = np.zeros(7)
        weights[shared] = own / own.sum() / others
        compared.append((inside & shared[steps], ~inside & shared[steps], weights[steps], limit))
    alarms = []
    for _ in range(TRIALS):
        errors = np.abs(scores_of(LABELS, rng) - LABELS)
        gaps = [
            errors[inside].mean() - (errors * weights)[outside].sum() > limit
            for inside, outside, weights, limit in compared
        ]
        alarms.append(any(gaps))
    assert LEVEL / 4 < np.mean(alarms) < LEVEL + 2 * TOLERANCE


def test_room_for_chance_shrinks_with_the_sample() -> None:
    models = [
        RandomScores.like(labels, scores_of(labels, np.random.default_rng(3)))
        for labels in (np.tile(LABELS, times) for times in (1, 4))
    ]
    few, many = (chance_drop(model, min_unchanged=0.8, seed=0) for model in models)
    assert few > 1.6 * many > 0
    assert chance_drop(models[0], min_unchanged=1.0, seed=0) == 0


def test_the_random_model_has_the_line_and_the_errors_of_the_tested_one() -> None:
    scores = scores_of(LABELS, np.random.default_rng(3))
    model = RandomScores.like(LABELS, scores)
    slope, intercept = np.polyfit(LABELS, scores, 1)
    np.testing.assert_allclose(model.line, intercept + slope * LABELS)
    assert (model.errors**2).sum() / len(LABELS) == pytest.approx(((scores - model.line) ** 2).sum() / 298)
    exact = RandomScores.like(LABELS, LABELS)
    assert chance_drop(exact, min_unchanged=0.5, seed=0) == pytest.approx(0, abs=1e-12)

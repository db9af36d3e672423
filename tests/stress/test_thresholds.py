"""Thresholds hold their level: simulated models at a limit fail about as rarely as stated."""

import numpy as np
import pytest

from merflow.stress.thresholds import LEVEL, RandomModel, chance_drop, chance_gap, chance_unchanged

TRIALS = 4000
# Four standard errors of a rate of 5% over the trials.
TOLERANCE = 4 * (LEVEL * (1 - LEVEL) / TRIALS) ** 0.5
UTTERANCES = np.array([110, 60, 150, 80])
RECALLS = np.array([0.75, 0.4, 0.6, 0.7])


def guesses(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the classes that a random model picks, one utterance after the other."""
    others = rng.integers(1, 4, size=labels.shape)
    return np.where(rng.random(labels.shape) < RECALLS[labels], labels, (labels + others) % 4)


def ua(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return UA per trial of ``(trials, utterances)`` predictions."""
    right = predicted == labels
    recalls = [right[:, labels == each].mean(axis=1) for each in range(4) if (labels == each).any()]
    return np.asarray(np.mean(recalls, axis=0))


def test_a_model_that_guesses_again_without_loss_fails_at_the_stated_rate() -> None:
    labels = np.repeat(np.arange(4), UTTERANCES)
    rng = np.random.default_rng(1)
    trials = np.broadcast_to(labels, (TRIALS, len(labels)))
    before, again = guesses(trials, rng), guesses(trials, rng)
    min_unchanged = 0.7
    differs = 1 - RECALLS**2 - (1 - RECALLS) ** 2 / 3
    anew = rng.random(trials.shape) < ((1 - min_unchanged) / differs)[labels]
    after = np.where(anew, again, before)
    assert (after == before).mean() == pytest.approx(min_unchanged, abs=0.005)
    limit = chance_drop(RandomModel(UTTERANCES, RECALLS), min_unchanged=min_unchanged, seed=0)
    false_alarms = np.mean(ua(labels, before) - ua(labels, after) > limit)
    assert LEVEL - 2 * TOLERANCE < false_alarms < LEVEL + TOLERANCE


def test_groups_of_a_model_without_bias_fail_together_at_the_stated_rate() -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(4), UTTERANCES)
    members = rng.integers(0, 8, size=len(labels))  # eight speakers
    trials = np.broadcast_to(labels, (TRIALS, len(labels)))
    predicted = guesses(trials, rng)
    model = RandomModel(UTTERANCES, RECALLS)
    failed = np.zeros(TRIALS, dtype=bool)
    alone = []
    for group in range(8):
        inside = members == group
        counts = [np.bincount(labels[rows], minlength=4) for rows in (inside, ~inside)]
        assert min(counts[0]) > 0
        limit = chance_gap(model, *counts, groups=8, seed=0)
        gaps = ua(labels[~inside], predicted[:, ~inside]) - ua(labels[inside], predicted[:, inside])
        failed |= gaps > limit
        alone.append(float(np.mean(gaps > chance_gap(model, *counts, groups=1, seed=0))))
    # The gaps of groups lean against each other, so that Bonferroni's bound is nearly reached.
    assert LEVEL / 2 < failed.mean() < LEVEL + TOLERANCE
    assert np.mean(alone) == pytest.approx(LEVEL, abs=TOLERANCE)


@pytest.mark.parametrize(("share", "utterances"), [(0.8, 400), (0.45, 60)])
def test_a_model_that_keeps_just_enough_predictions_rarely_fails(share: float, utterances: int) -> None:
    limit = chance_unchanged(share, utterances=utterances, seed=0)
    kept = np.random.default_rng(3).binomial(utterances, share, size=TRIALS) / utterances
    assert np.mean(kept < limit - 1e-9) < LEVEL + TOLERANCE
    assert np.mean(kept < limit + 1 / utterances) > LEVEL - TOLERANCE
    assert limit < share


def test_room_for_chance_shrinks_with_the_sample() -> None:
    limits = [chance_drop(RandomModel(UTTERANCES * times, RECALLS), min_unchanged=0.8, seed=0) for times in (1, 4, 16)]
    assert limits[0] > 1.8 * limits[1] > 3 * limits[2] > 0
    assert chance_drop(RandomModel(UTTERANCES, RECALLS), min_unchanged=1.0, seed=0) == 0


def test_the_random_model_is_as_often_right_and_never_sure() -> None:
    labels = np.repeat([0, 1, 3], [4, 5, 3])
    predicted = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    model = RandomModel.like(labels, predicted, classes=4)
    assert model.utterances.tolist() == [4, 5, 0, 3]
    assert model.recalls[[0, 1, 3]] == pytest.approx([3.5 / 5, 5.5 / 6, 0.5 / 4])
    assert chance_drop(model, min_unchanged=0.5, seed=0) > 0, "a class without utterances takes no part"

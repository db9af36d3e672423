"""Intervals and tests keep their promises on many generated test sets whose truth is known, with fixed seeds."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from merflow.contracts.comparisons import ALPHA
from merflow.evaluation.comparisons import comparisons
from merflow.evaluation.metrics import unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.power import (
    PLANNED_CLASSES,
    PLANNED_CORRELATION,
    PLANNED_DIALOGUES,
    PLANNED_DISAGREEMENT,
    POWER,
    detectable,
    planned_error,
)
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import (
    dialogue_counts,
    mcnemar,
    paired_difference,
    percentile_interval,
    resampled_counts,
    widened_interval,
)
from merflow.evaluation.spread import resample

DIALOGUES, TURNS, CLASSES = 40, 20, 4
SHARES = np.array([0.4, 0.3, 0.2, 0.1])
EASE = np.array([1.2, 0.8, 0.4, 0.0])  # logit of being right, by class
MOOD = 0.9  # deviation of a dialogue's own logit
RESAMPLES = 300


@dataclass(frozen=True)
class TestSet:
    """Labels in dialogues, and with each variant and seed whether it is right ``(variants, seeds, n)``."""

    __test__ = False

    labels: np.ndarray
    dialogues: np.ndarray
    right: np.ndarray

    def cells(self, variant: int, seed: int = 0) -> np.ndarray:
        wrong = (self.labels + 1) % CLASSES
        return self.labels * CLASSES + np.where(self.right[variant, seed], self.labels, wrong)


def draw(
    random: np.random.Generator,
    *,
    variants: int,
    seeds: int = 1,
    mood: float = MOOD,
    own: float = 0.0,
    size: int = DIALOGUES,
) -> TestSet:
    """Variants that are equally good in truth.

    Utterances of a dialogue are easy or hard together, for each variant in its own way; ``own`` is how much an
    utterance is easy or hard for a variant, whatever the seed.
    """
    dialogues = np.repeat(np.arange(size), TURNS)
    labels = random.choice(CLASSES, size=len(dialogues), p=SHARES)
    moods = random.normal(0, mood, size=(variants, 1, size))[:, :, dialogues]
    owned = random.normal(0, own, size=(variants, 1, len(dialogues)))
    chance = 1 / (1 + np.exp(-(EASE[labels] + moods + owned)))
    return TestSet(labels, dialogues, random.random((variants, seeds, len(dialogues))) < chance)


def true_ua() -> float:
    """Return the UA of such a variant over all possible dialogues, by Gauss-Hermite quadrature."""
    places, weights = np.polynomial.hermite_e.hermegauss(60)
    chance = 1 / (1 + np.exp(-(EASE[:, None] + MOOD * places)))
    return float((chance @ weights / weights.sum()).mean())


def resampled_figures(test: TestSet, seed: int) -> np.ndarray:
    """UA ``(variants, B)`` over resamples of dialogues, all seeds of a dialogue together."""
    variants, seeds, _ = test.right.shape
    counts = np.stack(
        [
            sum(
                dialogue_counts(test.cells(v, s), test.dialogues, groups=DIALOGUES, classes=CLASSES)
                for s in range(seeds)
            )
            for v in range(variants)
        ]
    )
    return unweighted_accuracy_of(resampled_counts(counts, samples=RESAMPLES, seed=seed))


def near(found: float, expected: float, *, trials: int) -> bool:
    """Within what so many trials leave to chance, three standard errors, and a point and a half of bias."""
    return bool(abs(found - expected) < 3 * (expected * (1 - expected) / trials) ** 0.5 + 0.015)


def covers(test: TestSet, units: np.ndarray, *, truth: float, seed: int) -> bool:
    """Return True if the interval over these units contains the true value."""
    groups = int(units.max()) + 1
    counts = dialogue_counts(test.cells(0), units, groups=groups, classes=CLASSES)
    figures = unweighted_accuracy_of(resampled_counts(counts, samples=RESAMPLES, seed=seed))
    interval = percentile_interval(figures, groups=groups)
    assert interval is not None
    return bool(interval[0] <= truth <= interval[1])


def test_the_interval_covers_the_truth_and_one_over_utterances_does_not() -> None:
    random, truth, trials, few = np.random.default_rng(0), true_ua(), 400, 60
    tests = [draw(random, variants=1) for _ in range(trials)]
    over_dialogues = [covers(test, test.dialogues, truth=truth, seed=trial) for trial, test in enumerate(tests)]
    alone = np.arange(DIALOGUES * TURNS)
    over_utterances = [covers(test, alone, truth=truth, seed=trial) for trial, test in enumerate(tests[:few])]

    assert near(float(np.mean(over_dialogues)), 0.95, trials=trials), np.mean(over_dialogues)
    assert np.mean(over_utterances) < 0.85, np.mean(over_utterances)


def test_few_dialogues_need_a_wider_interval() -> None:
    random, truth, trials, size = np.random.default_rng(7), true_ua(), 300, 8
    covered = {percentile_interval: 0, widened_interval: 0}
    for trial in range(trials):
        test = draw(random, variants=1, size=size)
        counts = dialogue_counts(test.cells(0), test.dialogues, groups=size, classes=CLASSES)
        figures = unweighted_accuracy_of(resampled_counts(counts, samples=RESAMPLES, seed=trial))
        for kind in covered:
            interval = kind(figures, groups=size)
            assert interval is not None
            covered[kind] += bool(interval[0] <= truth <= interval[1])

    assert covered[widened_interval] / trials > 0.90, covered
    assert covered[percentile_interval] < covered[widened_interval] - 0.02 * trials, covered


def test_the_paired_bootstrap_errs_as_often_as_it_says_and_mcnemar_only_where_utterances_are_independent() -> None:
    random, trials = np.random.default_rng(1), 400
    rejected = {"bootstrap": 0, "mcnemar": 0, "mcnemar alone": 0}
    for trial in range(trials):
        test, alone = draw(random, variants=2), draw(random, variants=2, mood=0.0)
        a, b = resampled_figures(test, seed=trial)
        rejected["bootstrap"] += paired_difference(a, b, groups=DIALOGUES).p_value < ALPHA
        rejected["mcnemar"] += mcnemar(test.right[0, 0], test.right[1, 0]) < ALPHA
        rejected["mcnemar alone"] += mcnemar(alone.right[0, 0], alone.right[1, 0]) < ALPHA

    shares = {name: count / trials for name, count in rejected.items()}
    assert near(shares["bootstrap"], ALPHA, trials=trials), shares
    assert near(shares["mcnemar alone"], ALPHA, trials=trials), shares
    assert shares["mcnemar"] > 2 * ALPHA, "dialogues that hang together are what it does not know"


def test_several_seeds_of_an_utterance_do_not_pass_for_several_utterances() -> None:
    random, trials, seeds = np.random.default_rng(2), 300, 4
    rejected = {"bootstrap": 0, "mcnemar": 0, "every row for itself": 0}
    for trial in range(trials):
        test = draw(random, variants=2, seeds=seeds, mood=0.0, own=3.0)
        a, b = resampled_figures(test, seed=trial)
        rows, utterances = test.right.reshape(2, -1), np.tile(np.arange(len(test.labels)), seeds)
        rejected["bootstrap"] += paired_difference(a, b, groups=DIALOGUES).p_value < ALPHA
        rejected["mcnemar"] += mcnemar(rows[0], rows[1], utterances=utterances) < ALPHA
        rejected["every row for itself"] += mcnemar(rows[0], rows[1]) < ALPHA

    shares = {name: count / trials for name, count in rejected.items()}
    assert near(shares["bootstrap"], ALPHA, trials=trials), shares
    assert near(shares["mcnemar"], ALPHA, trials=trials), shares
    assert shares["every row for itself"] > 3 * ALPHA, shares


def variants_of(test: TestSet) -> dict[str, VariantPredictions]:
    """Return the test set's variants as the room's types."""
    ids = np.array([f"u{i:04d}" for i in range(len(test.labels))], dtype=object)
    zeros = np.zeros(len(ids), dtype=np.int64)
    return {
        str(v): VariantPredictions(
            str(v), ids, zeros + 1, zeros, test.dialogues, test.labels, np.eye(CLASSES)[test.cells(v) % CLASSES]
        )
        for v in range(len(test.right))
    }


def test_holm_keeps_the_error_of_a_whole_family_of_comparisons() -> None:
    random, trials = np.random.default_rng(3), 150
    wrong = {"p_holm": 0, "p_bootstrap": 0}
    for trial in range(trials):
        variants = variants_of(draw(random, variants=4))
        resampled = resample(variants, groups=DIALOGUES, classes=CLASSES, samples=600, seed=trial)
        rows = comparisons(variants, resampled, groups=DIALOGUES)
        assert len(rows) == 6
        for name in wrong:
            wrong[name] += min(getattr(row, name) for row in rows) < ALPHA

    shares = {name: count / trials for name, count in wrong.items()}
    assert shares["p_holm"] < ALPHA + 3 * (ALPHA * (1 - ALPHA) / trials) ** 0.5, shares
    assert shares["p_bootstrap"] > 2 * ALPHA, "six chances to err, which is why Holm is there"


@pytest.mark.parametrize(("times", "expected"), [(0.0, ALPHA), (1.0, POWER)])
def test_what_the_note_on_power_promises_of_the_whole_corpus_comes_true(times: float, expected: float) -> None:
    """On data that keep the note's assumptions, the bootstrap finds the detectable difference four times in five."""
    error = planned_error(
        PLANNED_CLASSES,
        dialogues=PLANNED_DIALOGUES,
        disagreement=PLANNED_DISAGREEMENT,
        correlation=PLANNED_CORRELATION,
    )
    truth = times * detectable(error, alpha=ALPHA, power=POWER)
    random, trials, found = np.random.default_rng(4), 120, 0
    labels = np.repeat(np.arange(CLASSES), PLANNED_CLASSES)
    sizes = {"groups": PLANNED_DIALOGUES, "classes": CLASSES}
    for trial in range(trials):
        dialogues = random.integers(PLANNED_DIALOGUES, size=len(labels))
        mood = random.normal(0, (PLANNED_CORRELATION * PLANNED_DISAGREEMENT) ** 0.5, size=PLANNED_DIALOGUES)[dialogues]
        differs = random.random(len(labels)) < PLANNED_DISAGREEMENT
        a_wins = random.random(len(labels)) < 0.5 + (truth + mood) / (2 * PLANNED_DISAGREEMENT)
        both = random.random(len(labels)) < 0.7
        counts = []
        for right in (np.where(differs, a_wins, both), np.where(differs, ~a_wins, both)):
            cells = labels * CLASSES + np.where(right, labels, (labels + 1) % CLASSES)
            counts.append(dialogue_counts(cells, dialogues, **sizes))
        a, b = unweighted_accuracy_of(resampled_counts(np.stack(counts), samples=RESAMPLES, seed=trial))
        found += paired_difference(a, b, groups=PLANNED_DIALOGUES).p_value < ALPHA

    assert near(found / trials, expected, trials=trials)


def test_the_standard_error_of_the_bootstrap_is_the_deviation_over_test_sets() -> None:
    random = np.random.default_rng(5)
    differences, errors = [], []
    for trial in range(300):
        test = draw(random, variants=2)
        a, b = resampled_figures(test, seed=trial)
        errors.append(paired_difference(a, b, groups=DIALOGUES).standard_error)
        pooled = [np.bincount(test.cells(v), minlength=CLASSES**2).reshape(CLASSES, CLASSES) for v in range(2)]
        differences.append(float(unweighted_accuracy_of(pooled[0]) - unweighted_accuracy_of(pooled[1])))

    assert np.mean(np.array(errors, dtype=np.float64)) == pytest.approx(np.std(differences, ddof=1), rel=0.12)


def test_the_bootstrap_is_that_of_scipy() -> None:
    """Both resample dialogues; the same figures, up to the draws."""
    test = draw(np.random.default_rng(6), variants=2)
    counts = [dialogue_counts(test.cells(v), test.dialogues, groups=DIALOGUES, classes=CLASSES) for v in range(2)]
    ours = resampled_counts(np.stack(counts), samples=8000, seed=0)

    def of_dialogues(figure: object, drawn: np.ndarray, variant: int) -> float:
        return float(figure(counts[variant][drawn].sum(axis=0)))  # type: ignore[operator]

    for figure in (unweighted_accuracy_of, weighted_accuracy_of):

        def difference(drawn: np.ndarray, figure: object = figure) -> float:
            return of_dialogues(figure, drawn, 0) - of_dialogues(figure, drawn, 1)

        reference = stats.bootstrap(
            (np.arange(DIALOGUES),), difference, n_resamples=8000, vectorized=False, method="percentile", rng=1
        )
        found = paired_difference(figure(ours[0]), figure(ours[1]), groups=DIALOGUES)
        assert found.interval is not None
        np.testing.assert_allclose(found.interval, tuple(reference.confidence_interval), atol=0.004)
        assert found.standard_error == pytest.approx(reference.standard_error, rel=0.04)

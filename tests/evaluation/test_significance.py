import time
from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar  # type: ignore[import-untyped,unused-ignore]
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped,unused-ignore]

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import unweighted_accuracy, unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.significance import (
    MCNEMAR_EXACT_BELOW,
    dialogue_counts,
    enough_samples,
    holm,
    larger_family,
    mcnemar,
    paired_difference,
    percentile_interval,
    resampled_counts,
    widened_interval,
)


def _corpus(seed: int, groups: int = 12, n: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels, dialogues = random.integers(4, size=n), np.sort(random.integers(groups, size=n))
    predicted = np.where(random.random(n) < 0.6, labels, random.integers(4, size=n))
    return labels, predicted, dialogues


def test_resampled_counts_are_those_of_the_drawn_utterances() -> None:
    labels, predicted, dialogues = _corpus(0)
    counts = dialogue_counts(labels * 4 + predicted, dialogues, groups=12, classes=4)
    figures = unweighted_accuracy_of(resampled_counts(counts, samples=100, seed=3))
    resamples = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=100)

    for resample, figure in zip(resamples, figures, strict=True):
        drawn = np.concatenate([np.tile(np.flatnonzero(dialogues == g), int(k)) for g, k in enumerate(resample)])
        assert unweighted_accuracy(labels[drawn], predicted[drawn], classes=4) == pytest.approx(figure)


def test_variants_share_their_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = []
    for seed in (0, 1):
        labels, predicted, dialogues = _corpus(seed)
        pair.append(dialogue_counts(labels * 4 + predicted, dialogues, groups=12, classes=4))
    together = resampled_counts(np.stack(pair), samples=100, seed=3)
    monkeypatch.setattr("merflow.evaluation.significance._BLOCK_CELLS", 12 * 7)

    assert together.shape == (2, 100, 4, 4)
    for counts, found in zip(pair, together, strict=True):
        np.testing.assert_array_equal(resampled_counts(counts, samples=100, seed=3), found)


def test_many_comparisons_draw_enough_resamples_to_pass_holm() -> None:
    assert enough_samples(2000, comparisons=6) == 2000
    samples = enough_samples(2000, comparisons=153)
    assert 153 * 2 / (samples + 1) < 0.05


def test_the_interval_of_wa_agrees_with_the_binomial_where_dialogues_are_single_utterances() -> None:
    labels, predicted, _ = _corpus(1, n=1000)
    counts = dialogue_counts(labels * 4 + predicted, np.arange(1000), groups=1000, classes=4)
    values = weighted_accuracy_of(resampled_counts(counts, samples=4000, seed=0))
    interval = percentile_interval(values, groups=1000)
    rate = float((labels == predicted).mean())

    assert interval is not None
    expected = stats.norm.interval(0.95, loc=rate, scale=np.sqrt(rate * (1 - rate) / 1000))
    np.testing.assert_allclose(interval, expected, atol=0.004)


def test_dialogues_that_hang_together_widen_the_interval() -> None:
    right = np.repeat(np.random.default_rng(0).random(40) < 0.6, 25)
    labels = np.zeros(1000, dtype=np.int64)
    cells = labels * 4 + np.where(right, 0, 1)
    widths = []
    for dialogues, groups in ((np.repeat(np.arange(40), 25), 40), (np.arange(1000), 1000)):
        counts = dialogue_counts(cells, dialogues, groups=groups, classes=4)
        values = weighted_accuracy_of(resampled_counts(counts, samples=1000, seed=0))
        interval = percentile_interval(values, groups=groups)
        assert interval is not None
        widths.append(interval[1] - interval[0])

    assert widths[0] > 4 * widths[1]


def test_2000_resamples_of_the_whole_corpus_take_milliseconds() -> None:
    labels, predicted, dialogues = _corpus(2, groups=151, n=5531)
    started = time.perf_counter()
    counts = dialogue_counts(labels * 4 + predicted, dialogues, groups=151, classes=4)
    unweighted_accuracy_of(resampled_counts(counts, samples=2000, seed=0))

    assert time.perf_counter() - started < 1.0


def test_paired_difference_counts_both_tails_with_one_added() -> None:
    better = np.array([0.1] * 99 + [-0.1])
    none = np.zeros(100)

    assert paired_difference(better, none, groups=5).p_value == pytest.approx(2 * 2 / 101)
    assert paired_difference(none, better, groups=5).p_value == pytest.approx(2 * 2 / 101)
    assert paired_difference(none, none, groups=5).p_value == 1.0
    assert paired_difference(none + 1, none, groups=5).p_value == pytest.approx(2 / 101)
    assert paired_difference(none + 1, none, groups=5).interval == (1.0, 1.0)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_handful_of_dialogues_gives_no_interval_and_makes_nothing_certain(groups: int) -> None:
    difference = paired_difference(np.ones(100), np.zeros(100), groups=groups)

    assert difference.interval is None
    assert difference.standard_error is None
    assert difference.p_value == 1.0


def test_a_widened_interval_is_the_plain_one_of_many_dialogues_and_none_of_a_handful() -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    plain, many, few = (
        percentile_interval(values, groups=9),
        widened_interval(values, groups=100_000),
        widened_interval(values, groups=9),
    )
    assert plain is not None
    assert many == pytest.approx(plain, abs=0.005)
    student = stats.t.ppf(0.975, df=8) * (9 / 8) ** 0.5
    assert few == pytest.approx((-student, student), abs=0.15)
    assert widened_interval(values, groups=4) is None


def test_p_values_are_uniform_without_a_difference() -> None:
    random = np.random.default_rng(5)
    p_values = []
    for seed in range(200):
        figures = []
        for _ in range(2):
            counts = np.zeros((30, 2, 2), dtype=np.int64)
            counts[:, 0, 0] = random.binomial(20, 0.6, size=30)
            counts[:, 0, 1] = 20 - counts[:, 0, 0]
            figures.append(weighted_accuracy_of(resampled_counts(counts, samples=300, seed=seed)))
        p_values.append(paired_difference(figures[0], figures[1], groups=30).p_value)

    assert 0.01 <= float(np.mean(np.array(p_values) < 0.05)) <= 0.11


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 9), (12, 12), (5, 19), (8, 17), (40, 71), (100, 90)])
def test_mcnemar_agrees_with_statsmodels(only_a: int, only_b: int) -> None:
    right_a = np.array([True] * (50 + only_a) + [False] * (only_b + 20))
    right_b = np.array([True] * 50 + [False] * only_a + [True] * only_b + [False] * 20)
    exact = only_a + only_b < MCNEMAR_EXACT_BELOW
    expected = reference_mcnemar([[50, only_a], [only_b, 20]], exact=exact, correction=True).pvalue

    assert mcnemar(right_a, right_b) == pytest.approx(float(expected), abs=1e-12)


def test_mcnemar_of_several_seeds_flips_the_signs_of_whole_utterances() -> None:
    right = np.random.default_rng(19).random((2, 3, 9)) < 0.6
    surplus = right[0].astype(int).sum(axis=0) - right[1].astype(int).sum(axis=0)
    signs = np.array(list(product((1, -1), repeat=9)))
    expected = np.mean(np.abs(signs @ np.abs(surplus)) >= abs(surplus.sum()))
    utterances = np.tile(np.arange(9), 3)

    assert set(np.abs(surplus).tolist()) == {0, 1, 2}
    assert mcnemar(right[0].ravel(), right[1].ravel(), utterances=utterances) == pytest.approx(float(expected))


def test_mcnemar_of_the_same_predictions_under_several_seeds_is_that_of_one() -> None:
    for n in (40, 400):  # the exact test, and the approximation
        right = np.random.default_rng(n).random((2, n)) < np.array([[0.6], [0.5]])
        alone = mcnemar(right[0], right[1])
        thrice = mcnemar(np.tile(right[0], 3), np.tile(right[1], 3), utterances=np.tile(np.arange(n), 3))

        assert thrice == pytest.approx(alone)
        assert mcnemar(right[0], right[1], utterances=np.arange(n)) == pytest.approx(alone)


def test_mcnemar_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(EvaluationError, match="needs pairs"):
        mcnemar(np.ones(3, dtype=bool), np.ones(4, dtype=bool))


@pytest.mark.parametrize("seed", range(4))
def test_holm_agrees_with_statsmodels(seed: int) -> None:
    p_values = np.random.default_rng(seed).random(9) ** 3
    p_values[4] = p_values[2]

    np.testing.assert_allclose(holm(list(p_values)), multipletests(p_values, method="holm")[1])


def test_holm_of_no_p_values_is_empty() -> None:
    assert holm([]) == []


@pytest.mark.parametrize(
    ("variants", "classic_pairs", "family"), [(1, 0, 0), (2, 0, 1), (4, 0, 6), (4, 5, 6), (4, 8, 8)]
)
def test_the_larger_family_of_pairs_is_counted(variants: int, classic_pairs: int, family: int) -> None:
    assert larger_family(variants=variants, classic_pairs=classic_pairs) == family

import numpy as np
import pytest
from scipy import stats

from merflow.evaluation.drift import (
    ENERGY_LIMIT,
    PSI_LIMIT,
    below_p_value,
    binned,
    energy,
    inner_edges,
    kolmogorov_smirnov,
    number_psi,
    psi,
    rates_p_value,
    shares_p_value,
)


def drawn(seed: int, *, shift: float = 0.0, size: int = 20_000) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, size=size)


def test_psi_by_hand() -> None:
    reference, window = np.array([49.5, 49.5]), np.array([24.5, 74.5])  # with half a clip more: 50, 50 and 25, 75
    assert psi(reference, window) == pytest.approx(0.25 * np.log(0.75 / 0.5) - 0.25 * np.log(0.25 / 0.5))
    assert psi(window, reference) == pytest.approx(psi(reference, window))
    assert psi(np.array([10, 20]), np.array([10, 20])) == 0
    assert np.isfinite(psi(np.array([10, 0]), np.array([0, 10])))


def test_bins_are_tenths_of_the_reference() -> None:
    values = drawn(0)
    counts = binned(values, edges=inner_edges(values))
    assert len(counts) == 10
    assert counts.sum() == len(values)
    assert np.ptp(counts) <= 1
    beyond = binned(np.array([-1e9, 1e9]), edges=inner_edges(values))
    assert beyond[0] == beyond[-1] == 1


def test_ties_make_fewer_bins() -> None:
    words = np.array([0] * 70 + [1] * 20 + [2] * 10, dtype=np.float64)
    assert binned(words, edges=inner_edges(words)).tolist() == [70, 20, 10]
    assert number_psi(words, words) == 0
    assert number_psi(np.ones(100), np.full(100, 2.0)) == 0  # a single bin; energy sees the move
    assert energy(np.ones(100), np.full(100, 2.0)) > 1


def test_the_limits_of_psi_and_energy_are_the_same_move_of_a_normal_distribution() -> None:
    moved = drawn(1, shift=0.45, size=200_000)
    still = drawn(2, size=200_000)
    assert number_psi(still, moved) == pytest.approx(PSI_LIMIT, abs=0.01)
    assert energy(still, moved) == pytest.approx(ENERGY_LIMIT, abs=0.01)


def test_energy_is_twice_the_crossed_distances_less_the_own_ones() -> None:
    a, b = drawn(3, size=60), drawn(4, shift=1, size=40)

    def mean_distance(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.abs(x[:, None] - y).mean())

    squared = 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)
    assert energy(a, b) == pytest.approx((squared / a.std()) ** 0.5)
    assert energy(1000 * a, 1000 * b) == pytest.approx(energy(a, b))
    assert energy(np.ones(5), np.ones(4)) == 0


def test_kolmogorov_smirnov_by_counting() -> None:
    a, b = drawn(5, size=300), drawn(6, shift=0.3, size=200)
    at = np.concatenate([a, b])
    by_hand = max(abs(float((a <= x).mean() - (b <= x).mean())) for x in at)
    statistic, p_value = kolmogorov_smirnov(a, b)
    assert statistic == pytest.approx(by_hand)
    assert p_value == pytest.approx(stats.ks_2samp(a, b, method="exact").pvalue, rel=0.25)


def test_shares_against_scipy() -> None:
    reference, window = np.array([30, 50, 20, 0]), np.array([40, 30, 30, 0])
    expected = stats.chi2_contingency(np.stack([reference, window])[:, :3], correction=False).pvalue
    assert shares_p_value(reference, window) == pytest.approx(expected)
    assert shares_p_value(np.array([5, 0]), np.array([9, 0])) == 1


def test_rates_against_the_chi_squared_test_and_the_exact_binomial() -> None:
    table = np.array([[30, 70], [45, 55]])
    two_sided = stats.chi2_contingency(table, correction=False).pvalue
    assert rates_p_value((30, 100), (45, 100)) == pytest.approx(two_sided)
    assert rates_p_value((45, 100), (30, 100), lower_only=True) == pytest.approx(two_sided / 2)
    assert rates_p_value((30, 100), (45, 100), lower_only=True) > 0.5
    assert rates_p_value((0, 100), (0, 50)) == 1
    assert below_p_value(80, 100, promised=0.9) == pytest.approx(stats.binom.cdf(80, 100, 0.9))

"""Distances and tests for comparing traffic with the data that a model was tested on.

A p-value shows that a difference is not due to chance; with a million clips, that is true of any difference. So each
test also has a distance. A number has drifted if its Kolmogorov-Smirnov test, adjusted by Holm's method together with
all other tests, is below :data:`ALPHA`, and its population stability index or its energy distance is above its limit.

``scipy.stats`` takes two seconds to import, so it is imported where it is used.

Shapes: n reference values, m values of the window, B bins.
"""

import numpy as np
from scipy.special import bdtr, chdtrc, ndtr, stdtr

# Family-wise level of one comparison: with independent clips, at most one in a hundred windows without drift alarms.
ALPHA = 0.01
# The usual rule of thumb for a major shift. A normal distribution that shifts by 0.45 standard deviations reaches it.
PSI_LIMIT = 0.2
# The energy distance of the same shift, in standard deviations of the reference. It detects changes within a bin, such
# as a longer tail.
ENERGY_LIMIT = 0.34
_BINS = 10
# Half a clip is added to every bin, so that an empty one does not make the index infinite.
_SMOOTHING = 0.5


def psi(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the population stability index of counts per bin, ``(B,)`` each.

    It is the sum of ``(q - p) ln(q / p)`` over the bins, the symmetric Kullback-Leibler divergence of the shares.
    """
    p, q = (
        (np.asarray(counts, dtype=np.float64) + _SMOOTHING) / (np.sum(counts) + _SMOOTHING * len(counts))
        for counts in (reference, window)
    )
    return float(np.sum((q - p) * np.log(q / p)))


def inner_edges(reference: np.ndarray) -> np.ndarray:
    """Return the edges between bins with about equal numbers of reference values ``(n,)``; fewer bins for ties."""
    edges: np.ndarray = np.unique(np.quantile(reference, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
    inner: np.ndarray = edges[edges < reference.max()]  # a bin above the highest value would be empty
    return inner


def binned(values: np.ndarray, *, edges: np.ndarray) -> np.ndarray:
    """Count values per bin, ``(len(edges) + 1,)``; outer bins are unbounded; a value at an edge is in the bin below."""
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)


def number_psi(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the population stability index of values ``(n,)`` and ``(m,)``, over deciles of the reference."""
    edges = inner_edges(reference)
    return psi(binned(reference, edges=edges), binned(window, edges=edges))


def energy(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the energy distance of values ``(n,)`` and ``(m,)``, in standard deviations of the reference.

    It is the square root of ``2 E|X - Y| - E|X - X'| - E|Y - Y'|``. It scales with the square root of the unit, so the
    values are divided first.
    """
    from scipy.stats import energy_distance

    deviation = float(np.std(reference)) or 1.0
    return float(energy_distance(reference / deviation, window / deviation))


def kolmogorov_smirnov(reference: np.ndarray, window: np.ndarray) -> tuple[float, float]:
    """Return the largest distance of the two distribution functions, and the two-sided p-value.

    The p-value is asymptotic: with a hundred values or more, the exact one differs little, and takes long for
    thousands.
    """
    from scipy.stats import ks_2samp

    found = ks_2samp(reference, window, method="asymp")
    return float(found.statistic), float(found.pvalue)


def shares_p_value(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the p-value of the chi-squared test that counts per class, ``(C,)`` each, have the same shares."""
    table = np.stack([reference, window]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(chdtrc(table.shape[1] - 1, float(((table - expected) ** 2 / expected).sum())))


def rates_p_value(reference: tuple[int, int], window: tuple[int, int], *, lower_only: bool = False) -> float:
    """Return the p-value of the test that two shares are equal (normal approximation, pooled variance).

    Args:
        reference: Hits and number of clips.
        window: Hits and number of clips.
        lower_only: True if only a lower share in the window counts (one-sided).
    """
    (hits, of), (window_hits, window_of) = reference, window
    pooled = (hits + window_hits) / (of + window_of)
    variance = pooled * (1 - pooled) * (1 / of + 1 / window_of)
    if variance == 0:
        return 1.0
    z = (window_hits / window_of - hits / of) / variance**0.5
    return float(ndtr(z) if lower_only else 2 * ndtr(-abs(z)))


def higher_mean_p_value(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the one-sided p-value of Welch's test that the mean of the window is not above that of the reference.

    Args:
        reference: ``(n,)`` values, at least two.
        window: ``(m,)`` values, at least two.
    """
    parts = [float(values.var(ddof=1)) / len(values) for values in (reference, window)]
    if sum(parts) == 0:
        return 1.0
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (reference, window), strict=True)
    )
    return float(stdtr(degrees, (reference.mean() - window.mean()) / sum(parts) ** 0.5))


def below_p_value(hits: int, clips: int, *, promised: float) -> float:
    """Return the exact binomial probability of at most this many hits if the true share is the promised one."""
    return float(bdtr(hits, clips, promised))

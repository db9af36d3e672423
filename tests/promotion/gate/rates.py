"""Bounds of the rates that simulations measure."""

from scipy import stats


def at_most(level: float, *, trials: int) -> float:
    """Return the rate that a process of this level exceeds once in two thousand times."""
    return float(stats.binom.ppf(0.9995, trials, level)) / trials

"""The part of a drop or a gap of scores that chance explains, from simulated random models.

This is the random model of :mod:`merflow.stress.thresholds` for scores: whatever it hears, its score is a linear
function of the true score plus an error, both fitted to the tested model.

- Conditions: it draws new errors for as many utterances as a condition may change. On average that costs nothing, so
  its drops of CCC are due to chance.
- Groups: its errors are equally large in every group, so gaps of MAE are due to chance. Errors are assumed to have the
  same spread at all steps of the scale.

Shapes: U utterances, P steps of the scale, S simulations.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merflow.contracts.task import Regression
from merflow.evaluation.scores.metrics import steps
from merflow.stress.thresholds import LEVEL, SIMULATIONS

# Scores that move by at most this much count as unchanged, because raters choose whole steps.
SAME_WITHIN = 0.5
# Number of utterances simulated at once: 32 MB.
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class RandomScores:
    """A model whose score is a linear function of the true score plus an error that ignores the input.

    Attributes:
        labels: ``(U,)`` true scores.
        line: ``(U,)`` scores without the errors.
        errors: Errors to draw from.
    """

    labels: np.ndarray
    line: np.ndarray
    errors: np.ndarray

    @classmethod
    def like(cls, labels: np.ndarray, scores: np.ndarray) -> "RandomScores":
        """Return the random model fitted to these scores by least squares.

        Residuals of a linear fit are too small because two numbers were fitted, and are scaled up accordingly.
        """
        centred = labels - labels.mean()
        slope = float((centred * scores).sum() / (centred**2).sum())
        line = scores.mean() + slope * centred
        return cls(labels, line, (scores - line) * (len(labels) / max(1, len(labels) - 2)) ** 0.5)


def chance_drop(model: RandomScores, *, min_unchanged: float, seed: int) -> float:
    """Return the drop of CCC that the random model exceeds in 5 of 100 samples.

    Args:
        model: The model.
        min_unchanged: Share of scores that stay the same; the model draws new errors for the others.
        seed: Seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    differs = _differing_pairs(model.errors)
    anew = min(1.0, (1 - min_unchanged) / differs) if differs else 1.0
    drops = []
    for size in _blocks(len(model.labels)):
        before, again = (rng.choice(model.errors, size=(size, len(model.labels))) for _ in range(2))
        after = np.where(rng.random(before.shape) < anew, again, before)
        drops.append(_ccc(model, before) - _ccc(model, after))
    return max(0.0, float(np.quantile(np.concatenate(drops), 1 - LEVEL, method="higher")))


def chance_gap(spread: np.ndarray, group: np.ndarray, others: np.ndarray, *, groups: int, seed: int) -> float:
    """Return the gap of MAE between a group and the others that the random model exceeds in 5 of 100 samples.

    Args:
        spread: Absolute errors, from the mean of their step; see :func:`spread_of_errors`.
        group: ``(P,)`` utterances of the group on the steps that both have.
        others: ``(P,)`` utterances of all others on these steps.
        groups: Number of groups that share the level.
        seed: Seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    weights = np.repeat(group / (group.sum() * others), others)  # of each of the others
    gaps = [
        rng.choice(spread, size=(size, int(group.sum()))).mean(axis=1)
        - rng.choice(spread, size=(size, len(weights))) @ weights
        for size in _blocks(int(group.sum()) + len(weights))
    ]
    return max(0.0, float(np.quantile(np.concatenate(gaps), 1 - LEVEL / groups, method="higher")))


def spread_of_errors(labels: np.ndarray, scores: np.ndarray, *, task: Regression) -> np.ndarray:
    """Return the deviations ``(U,)`` of absolute errors from the mean of their step of the true score, to draw from.

    They are too small because one mean per step was fitted, and are scaled up accordingly.
    """
    _, step = np.unique(steps(labels, task), return_inverse=True)
    errors = np.abs(scores - labels)
    means = np.bincount(step, weights=errors) / np.bincount(step)
    free = max(1, len(errors) - len(means))
    return np.asarray((errors - means[step]) * (len(errors) / free) ** 0.5)


def _blocks(utterances: int) -> Iterator[int]:
    """Yield block sizes that add up to the number of simulations, each small enough for the memory limit."""
    block = max(1, _BLOCK_CELLS // utterances)
    for start in range(0, SIMULATIONS, block):
        yield min(block, SIMULATIONS - start)


def _differing_pairs(errors: np.ndarray) -> float:
    """Return the share of pairs of errors that are too far apart to count as unchanged."""
    ordered = np.sort(errors)
    beyond = len(ordered) - np.searchsorted(ordered, ordered + SAME_WITHIN, side="right")
    return float(2 * beyond.sum() / max(1, len(ordered) * (len(ordered) - 1)))


def _ccc(model: RandomScores, errors: np.ndarray) -> np.ndarray:
    """Return the CCC of simulated errors ``(S, U)`` on top of the line."""
    scores = model.line + errors
    truth = model.labels - model.labels.mean()
    mean = scores.mean(axis=1)
    covariance = scores @ truth / len(truth)
    apart = (mean - model.labels.mean()) ** 2
    return np.asarray(2 * covariance / ((truth**2).mean() + scores.var(axis=1) + apart))

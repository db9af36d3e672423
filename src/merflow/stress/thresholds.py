"""The part of a drop or a gap that chance explains, from simulated random models.

With a few hundred utterances, drops and gaps appear even where there are none. Their size is simulated with a random
model: whatever it hears, it is right with the tested model's recall on each emotion, and otherwise picks any other
emotion. Deriving thresholds for tests of emotion models from such simulations is an idea of Derington et al. (arXiv
2312.06270).

- Groups: the random model has no bias, so gaps between its groups are due to chance. A group passes if its gap is not
  among the largest of them. The level is shared among the groups of a grouping (Bonferroni), so that a model without
  bias fails in some group of a grouping in at most 5 of 100 samples.
- Conditions: the random model guesses again on as many utterances as a condition may change. On average that costs
  nothing, so its drops are due to chance. The allowed cost of the condition is added to them.

Utterances are treated as independent, although those of a dialogue are not; the intervals in the results resample
dialogues.

Shapes: C classes, S simulations.
"""

from dataclasses import dataclass

import numpy as np

# Share of samples in which a model that is just within its limits fails.
LEVEL = 0.05
SIMULATIONS = 10_000


@dataclass(frozen=True, eq=False)
class RandomModel:
    """A model that is right with a given probability on each class and ignores the input.

    Attributes:
        utterances: ``(C,)`` number of utterances of each class.
        recalls: ``(C,)`` probability of the right class.
    """

    utterances: np.ndarray
    recalls: np.ndarray

    @classmethod
    def like(cls, labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> "RandomModel":
        """Return the random model with the recalls of these predictions.

        Half an utterance is added to the right and to the wrong ones: a model that was right on all of five utterances
        may still be wrong on the next.
        """
        utterances = np.bincount(labels, minlength=classes)
        right = np.bincount(labels[labels == predicted], minlength=classes)
        return cls(utterances, (right + 0.5) / (utterances + 1))


def chance_drop(model: RandomModel, *, min_unchanged: float, seed: int) -> float:
    """Return the drop of UA that the random model exceeds in 5 of 100 samples.

    Args:
        model: The model.
        min_unchanged: Share of predictions that stay the same; the model guesses again on the others.
        seed: Seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    occurs = model.utterances > 0
    utterances, recalls = model.utterances[occurs], model.recalls[occurs]
    others = max(1, len(model.utterances) - 1)
    differs = 1 - recalls**2 - (1 - recalls) ** 2 / others  # probability that a new guess is another class
    anew = np.minimum(1.0, (1 - min_unchanged) / differs)
    guessed = rng.binomial(utterances, anew, size=(SIMULATIONS, len(utterances)))  # (S, C)
    lost = rng.binomial(guessed, recalls) - rng.binomial(guessed, recalls)
    drops = (lost / utterances).mean(axis=1)
    return max(0.0, float(np.quantile(drops, 1 - LEVEL, method="higher")))


def chance_gap(model: RandomModel, group: np.ndarray, others: np.ndarray, *, groups: int, seed: int) -> float:
    """Return the gap between a group and all others that the random model exceeds in 5 of 100 samples.

    Args:
        model: The model.
        group: ``(C,)`` utterances of the group; the others have every class that it has.
        others: ``(C,)`` utterances of all others.
        groups: Number of groups that share the level.
        seed: Seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    shared = (group > 0) & (others > 0)
    recalls = model.recalls[shared]
    in_group, elsewhere = (
        rng.binomial(count[shared], recalls, size=(SIMULATIONS, int(shared.sum()))) / count[shared]
        for count in (group, others)
    )
    gaps = (elsewhere - in_group).mean(axis=1)
    return max(0.0, float(np.quantile(gaps, 1 - LEVEL / groups, method="higher")))


def chance_unchanged(share: float, *, utterances: int, seed: int) -> float:
    """Return the share of unchanged predictions that a model which keeps ``share`` falls below in 5 of 100 samples."""
    kept = np.random.default_rng(seed).binomial(utterances, share, size=SIMULATIONS)
    return float(np.quantile(kept, LEVEL, method="lower")) / utterances

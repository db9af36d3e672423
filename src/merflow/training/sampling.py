"""The utterances of an epoch and their division into batches."""

import numpy as np

from merflow.contracts.recipe import Recipe
from merflow.contracts.sources import UtteranceSource
from merflow.features.batches.bucketing import bucketed_batches, random_batches


def epoch_batches(source: UtteranceSource, *, recipe: Recipe, seed: int, epoch: int) -> list[list[int]]:
    """Return the batches of one training epoch as indices into the source.

    The order follows from the source's lengths and labels, the recipe, the seed and the epoch alone, so that a resumed
    run repeats it. See :mod:`merflow.features.batches.bucketing`.
    """
    drawn = np.arange(len(source))
    if recipe.sampling == "class-balanced":
        assert source.labels is not None
        drawn = class_balanced(np.asarray(source.labels), seed=seed, epoch=epoch)
    if recipe.batching == "random":
        batches = random_batches(len(drawn), batch_size=recipe.batch_size, seed=seed, epoch=epoch)
    else:
        batches = bucketed_batches(source.lengths[drawn], batch_size=recipe.batch_size, seed=seed, epoch=epoch)
    return [drawn[batch].tolist() for batch in batches]


def class_balanced(labels: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """Draw as many indices as there are labels, with replacement; all classes that occur are equally likely."""
    classes, class_of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1 / (len(classes) * counts[class_of])
    # The third word separates this random stream from the one that orders the batches.
    random = np.random.default_rng([seed, epoch, 1])
    drawn: np.ndarray = random.choice(len(labels), size=len(labels), p=weights)
    return drawn

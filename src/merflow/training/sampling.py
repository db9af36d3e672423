"""Which utterances make an epoch, and in which batches."""

import numpy as np

from merflow.contracts.recipe import Recipe
from merflow.features.extraction.bucketing import bucketed_batches
from merflow.training.stages import Source


def epoch_batches(source: Source, *, recipe: Recipe, seed: int, epoch: int) -> list[list[int]]:
    """Positions for one epoch of training, as :func:`~merflow.features.extraction.bucketing.bucketed_batches` does.

    The order follows from the source's lengths and labels, the recipe, seed and epoch alone, so that a resumed run
    repeats it.
    """
    if recipe.sampling == "shuffle":
        return bucketed_batches(source.lengths, batch_size=recipe.batch_size, seed=seed, epoch=epoch)
    assert source.labels is not None
    drawn = class_balanced(np.asarray(source.labels), seed=seed, epoch=epoch)
    batches = bucketed_batches(source.lengths[drawn], batch_size=recipe.batch_size, seed=seed, epoch=epoch)
    return [drawn[batch].tolist() for batch in batches]


def class_balanced(labels: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """As many positions as there are labels, drawn with replacement, every class that occurs equally likely."""
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1 / (len(classes) * counts[place])
    # The third word keeps this stream of numbers apart from that of the batches' order.
    random = np.random.default_rng([seed, epoch, 1])
    drawn: np.ndarray = random.choice(len(labels), size=len(labels), p=weights)
    return drawn

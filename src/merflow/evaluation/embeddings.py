"""Embeddings of utterances: their t-SNE, and the separation of emotions or scores in the embedding itself."""

from collections.abc import Sequence

import numpy as np

_MOST_NEIGHBOURS = 30  # perplexity of t-SNE, if there are enough utterances
_FEWEST = 4  # utterances
_NEIGHBOURS = 10
# Relative to the largest number: equal vectors computed in different batches differ by this much in float32.
_ROUNDING = 1e-6


def unmapped(vectors: np.ndarray) -> str:
    """Return the reason why vectors ``(U, E)`` have no t-SNE; empty if they have one."""
    if len(vectors) < _FEWEST:
        return f"{len(vectors)} utterances are not enough"
    if not np.isfinite(vectors).all():
        return "some embeddings are not finite"
    if np.ptp(vectors, axis=0).max(initial=0) <= _ROUNDING * np.abs(vectors).max(initial=0):
        return "the embeddings of all utterances are equal"
    return ""


def plane(vectors: np.ndarray, *, seed: int) -> np.ndarray | None:
    """Compute the t-SNE of ``(U, E)`` as ``(U, 2)`` float32; None if :func:`unmapped` has a reason.

    Vectors that do not vary would start t-SNE at NaN, and its tree of such points aborts the process, which cannot be
    caught.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if unmapped(vectors):
        return None
    perplexity = min(_MOST_NEIGHBOURS, (len(vectors) - 1) / 3)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    # Scaled, since squares of small or large numbers would become 0 or inf.
    scaled = (centred / np.abs(centred).max()).astype(np.float32)
    # One thread: with several, a fold of a hundred utterances takes about twenty times as long.
    with threadpool_limits(1):
        points: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(scaled)
    return points


def neighbours_of_one_emotion(vectors: np.ndarray, emotions: Sequence[str]) -> tuple[float, float]:
    """Return the share of the ten nearest neighbours with the utterance's own emotion, and the share by chance.

    Distances are between the vectors ``(U, E)`` themselves, not in a t-SNE. Chance is higher for unequal classes.
    """
    names = np.asarray(emotions)
    if len(vectors) < 2:
        return float("nan"), float("nan")
    neighbours = _neighbours(vectors)
    same = float((names[neighbours] == names[:, None]).mean())
    _, sizes = np.unique(names, return_counts=True)
    chance = float((sizes * (sizes - 1)).sum() / (len(names) * (len(names) - 1)))
    return same, chance


def neighbours_apart(vectors: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the mean distance in true score between utterances and their ten nearest neighbours, and that by chance.

    Args:
        vectors: ``(U, E)``, at least two; distances are between the vectors themselves, not in a t-SNE.
        labels: ``(U,)`` true scores.
    """
    if len(vectors) < 2:
        return float("nan"), float("nan")
    apart = float(np.abs(labels[_neighbours(vectors)] - labels[:, None]).mean())
    pairs = np.abs(labels[:, None] - labels)
    return apart, float(pairs.sum() / (len(labels) * (len(labels) - 1)))


def _neighbours(vectors: np.ndarray) -> np.ndarray:
    """Return the indices of the ten nearest neighbours, ``(U, 10)``; fewer if there are fewer."""
    from sklearn.neighbors import NearestNeighbors

    count = min(_NEIGHBOURS, len(vectors) - 1)
    found: np.ndarray = NearestNeighbors(n_neighbors=count).fit(vectors).kneighbors(return_distance=False)
    return found

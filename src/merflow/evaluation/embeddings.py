"""Embeddings of utterances: their places in a plane, and how well emotions keep together before they are put there."""

from collections.abc import Sequence

import numpy as np

_MOST_NEIGHBOURS = 30  # t-SNE's perplexity where there are enough utterances
_FEWEST = 4  # utterances
_NEIGHBOURS = 10
_ROUNDING = 1e-6  # of the largest number: what float32 leaves of equal vectors that were computed in other batches


def unmapped(vectors: np.ndarray) -> str:
    """Why vectors ``(U, E)`` have no map, for people; empty where they have one."""
    if len(vectors) < _FEWEST:
        return f"{len(vectors)} utterances are too few"
    if not np.isfinite(vectors).all():
        return "some embeddings are not finite"
    if np.ptp(vectors, axis=0).max(initial=0) <= _ROUNDING * np.abs(vectors).max(initial=0):
        return "the embeddings of all utterances are alike"
    return ""


def plane(vectors: np.ndarray, *, seed: int) -> np.ndarray | None:
    """t-SNE of ``(U, E)`` as ``(U, 2)`` float32; None where :func:`unmapped` says why there is none.

    Where vectors do not vary, t-SNE's start is no number, and its tree of such points ends the process: nothing that
    could be caught.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if unmapped(vectors):
        return None
    perplexity = min(_MOST_NEIGHBOURS, (len(vectors) - 1) / 3)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    scaled = (centred / np.abs(centred).max()).astype(np.float32)  # else squares of small or large numbers are 0 or inf
    # One thread: with several, a fold of a hundred utterances waits for them some twenty times as long as it computes.
    with threadpool_limits(1):
        points: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(scaled)
    return points


def neighbours_of_one_emotion(vectors: np.ndarray, emotions: Sequence[str]) -> tuple[float, float]:
    """The share of the ten nearest neighbours that have the utterance's own emotion, and what chance would give.

    Distances are those between the vectors ``(U, E)`` themselves, not those of a t-SNE. Utterances of one class more
    often meet their own kind by chance.
    """
    from sklearn.neighbors import NearestNeighbors

    names = np.asarray(emotions)
    count = min(_NEIGHBOURS, len(vectors) - 1)
    if count < 1:
        return float("nan"), float("nan")
    found = NearestNeighbors(n_neighbors=count).fit(vectors).kneighbors(return_distance=False)
    same = float((names[found] == names[:, None]).mean())
    _, sizes = np.unique(names, return_counts=True)
    chance = float((sizes * (sizes - 1)).sum() / (len(names) * (len(names) - 1)))
    return same, chance

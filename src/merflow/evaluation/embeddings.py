"""Embeddings of utterances: their places in a plane, and how well emotions keep together before they are put there."""

from collections.abc import Sequence

import numpy as np

_MOST_NEIGHBOURS = 30  # t-SNE's perplexity where there are enough utterances
_NEIGHBOURS = 10


def plane(vectors: np.ndarray, *, seed: int) -> np.ndarray:
    """t-SNE of ``(U, E)`` as ``(U, 2)`` float32; zeros for three utterances or fewer, of which there is none."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(vectors) <= 3:
        return np.zeros((len(vectors), 2), dtype=np.float32)
    perplexity = min(_MOST_NEIGHBOURS, (len(vectors) - 1) / 3)
    # One thread: with several, a fold of a hundred utterances waits for them some twenty times as long as it computes.
    with threadpool_limits(1):
        points: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)
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

"""Agreement between a model's representations of an utterance from different modalities."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_NEIGHBOURS = 10


@dataclass(frozen=True)
class Agreement:
    """Figures of representations ``(U, H)`` by modality, computed on the vectors themselves.

    Attributes:
        silhouette: Silhouette by modality, -1 to 1: 1 for modalities far apart, about 0 for modalities that overlap.
        foreign_neighbours: Share of the ten nearest neighbours of a vector that come from another modality.
        chance: That share if modalities made no difference.
        distance: Mean distance between two modalities of an utterance, as a multiple of the mean distance between two
            utterances in one modality; 0 for equal representations.
    """

    silhouette: float
    foreign_neighbours: float
    chance: float
    distance: float


def agreement(representations: Mapping[str, np.ndarray]) -> Agreement:
    """Return the agreement of at least two modalities ``(U, H)`` over at least two utterances, row by row."""
    from sklearn.metrics import pairwise_distances, silhouette_score

    vectors = np.concatenate(list(representations.values())).astype(np.float64)  # (M U, H)
    count = len(next(iter(representations.values())))
    modality = np.repeat(np.arange(len(representations)), count)
    distances = pairwise_distances(vectors)
    np.fill_diagonal(distances, 0.0)
    same = modality[:, None] == modality
    utterance = np.tile(np.arange(count), len(representations))
    of_utterance = (utterance[:, None] == utterance) & ~same
    between = distances[same & (utterance[:, None] != utterance)].mean()
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : min(_NEIGHBOURS, len(vectors) - 1)]
    np.fill_diagonal(distances, 0.0)
    return Agreement(
        silhouette=float(silhouette_score(distances, modality, metric="precomputed")),
        foreign_neighbours=float((modality[nearest] != modality[:, None]).mean()),
        chance=(len(vectors) - count) / (len(vectors) - 1),
        distance=float(distances[of_utterance].mean() / between) if between else float("nan"),
    )

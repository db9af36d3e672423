"""Distance of an utterance from the training data, in standardized features.

A model standardizes its features with the mean and the deviation of its training steps. The distance of an utterance is
the absolute mean over its steps, averaged over its features: near 0 for speech like that in the training data, larger
for a different room, microphone, level or kind of sound.

Shapes: N utterances.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from merflow.contracts.batch import Batch
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.streams import Role

# Share of new speakers' utterances that are closer than the usual distance.
USUAL_SHARE = 0.99
_AT_ONCE = 32


def distances(batch: Batch) -> dict[Role, np.ndarray]:
    """Return the distance of each utterance by role, ``(N,)`` float64; NaN for an utterance without the role.

    Args:
        batch: Utterances with standardized features.
    """
    return {role: _distance(values, batch.present[role]) for role, values in batch.features.items()}


def usual_distances(parts: Sequence[Mapping[Role, np.ndarray]]) -> dict[Role, float]:
    """Return, by role, the distance that :data:`USUAL_SHARE` of the utterances of all parts stay below."""
    usual: dict[Role, float] = {}
    for role in parts[0] if parts else ():
        together = np.concatenate([part[role] for part in parts])
        known = together[np.isfinite(together)]
        if len(known):
            usual[role] = float(np.quantile(known, USUAL_SHARE, method="higher"))
    return usual


def distances_of(source: UtteranceSource) -> dict[Role, np.ndarray]:
    """Return the distances of all utterances of a source of standardized features, in its order."""
    parts = []
    for start in range(0, len(source), _AT_ONCE):
        batch = source.batch(range(start, min(start + _AT_ONCE, len(source))))
        assert isinstance(batch, Batch)
        parts.append(distances(batch))
    return {role: np.concatenate([part[role] for part in parts]) for role in parts[0]} if parts else {}


def _distance(values: torch.Tensor, present: torch.Tensor) -> np.ndarray:
    """Return ``(N,)`` for features ``(N, T, D)`` or ``(N, T, L, D)`` and their mask ``(N, T)``."""
    weights = present.double().reshape(*present.shape, *[1] * (values.dim() - 2))
    counts = present.sum(dim=1).double()
    means = (values.double() * weights).sum(dim=1) / counts.reshape(-1, *[1] * (values.dim() - 2))
    found: np.ndarray = means.abs().flatten(start_dim=1).mean(dim=1).cpu().numpy()
    return found

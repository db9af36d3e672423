"""Features of mean 0 and deviation 1, by the statistics of training utterances alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from merflow.contracts.errors import FeatureError
from merflow.contracts.files import replacing
from merflow.contracts.streams import ROLES, Role

if TYPE_CHECKING:
    from merflow.features.dataset import FeatureDataset

# A column that moves less than this part of its mean is constant up to float16 rounding: it is centred, not scaled.
_CONSTANT = 1e-3


@dataclass(frozen=True)
class Standardizer:
    """Mean and deviation of every role, layer and feature over the steps of some utterances.

    Attributes:
        mean: Role -> ``(D,)`` or ``(L, D)`` float32.
        deviation: The same; 1 for a constant feature.
    """

    mean: dict[Role, np.ndarray]
    deviation: dict[Role, np.ndarray]

    @classmethod
    def fit(cls, dataset: "FeatureDataset") -> "Standardizer":
        """Statistics of a training part: its own utterances, not their neighbours. Accumulates in float64.

        Raises:
            FeatureError: No utterance of the dataset has a step of some role.
        """
        mean: dict[Role, np.ndarray] = {}
        deviation: dict[Role, np.ndarray] = {}
        for role in dataset.shapes:
            mean[role], deviation[role] = _statistics(dataset, role)
        return cls(mean, deviation)

    def apply(self, role: Role, values: np.ndarray) -> np.ndarray:
        """Steps ``(T, D)`` or ``(T, L, D)`` of any float dtype, standardised to float32.

        Raises:
            FeatureError: The statistics are of other roles or sizes.
        """
        if role not in self.mean:
            raise FeatureError(f"the standardizer has no statistics of role {role!r}; it has {', '.join(self.mean)}")
        if self.mean[role].shape != values.shape[1:]:
            raise FeatureError(
                f"the standardizer's statistics of role {role!r} have shape {self.mean[role].shape}, "
                f"the features {values.shape[1:]}; fit it on features of the same profile"
            )
        centred: np.ndarray = values.astype(np.float32)
        centred -= self.mean[role]
        centred /= self.deviation[role]
        return centred

    def save(self, path: Path) -> None:
        """As safetensors, bit by bit.

        Raises:
            OutputError: The folder is read-only, the disk full.
        """
        tensors = {f"{role}.mean": values for role, values in self.mean.items()}
        tensors |= {f"{role}.deviation": values for role, values in self.deviation.items()}
        with replacing(path) as part:
            save_file(tensors, part)

    @classmethod
    def load(cls, path: Path) -> "Standardizer":
        """What :meth:`save` wrote.

        Raises:
            FeatureError: The file is missing or no standardizer.
        """
        if not path.is_file():
            raise FeatureError(f"no such standardizer: {path}; it is saved with the model, train the fold again")
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise FeatureError(f"{path} is corrupt ({error}); train the fold again") from error
        found: dict[str, dict[Role, np.ndarray]] = {"mean": {}, "deviation": {}}
        for name, values in tensors.items():
            role, _, figure = name.partition(".")
            if role not in ROLES or figure not in found:
                raise FeatureError(f"{path} is no standardizer: it holds {name!r}; train the fold again")
            found[figure][role] = values
        return cls(found["mean"], found["deviation"])


def _statistics(dataset: "FeatureDataset", role: Role) -> tuple[np.ndarray, np.ndarray]:
    count = 0
    origin = sums = squares = np.zeros(())
    for values in dataset.stored(role):
        if not len(values):
            continue
        exact = values.astype(np.float64)
        if not count:
            origin = exact.mean(axis=0)  # near the mean, so that the squares do not cancel
            sums, squares = np.zeros_like(origin), np.zeros_like(origin)
        exact -= origin
        sums += exact.sum(axis=0)
        squares += np.einsum("t...,t...->...", exact, exact)
        count += len(values)
    if not count:
        raise FeatureError(f"none of the {len(dataset)} utterances to standardise by has a step of role {role!r}")
    mean = origin + sums / count
    deviation = np.sqrt(np.maximum(squares / count - (sums / count) ** 2, 0.0))
    constant = deviation <= _CONSTANT * np.abs(mean) + 1e-6
    return mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32)

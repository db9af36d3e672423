"""Standardization: features with mean 0 and standard deviation 1, by statistics of training utterances only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from merflow.contracts.streams import ROLES, Role
from merflow.errors import FeatureError
from merflow.storage.local import replacing

# Name of the file in a model folder.
STANDARDIZER = "standardizer.safetensors"

# A column that varies by less than this fraction of its mean is constant up to float16 rounding: it is centered only.
_CONSTANT = 1e-3
# Statistics are computed over this many values at a time, which stay in the processor's cache between the passes.
_PIECE_VALUES = 1 << 17


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of one role, ``(D,)`` or ``(L, D)`` float32, on one device."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def neutral(cls, shape: tuple[int, ...]) -> "Scale":
        """Return the scale of this shape that leaves values as they are."""
        return cls(torch.zeros(shape), torch.ones(shape))

    def on(self, device: torch.device) -> "Scale":
        """Return the scale on a device."""
        return Scale(self.mean.to(device), self.deviation.to(device))

    def apply_(self, values: Tensor) -> None:
        """Standardize steps ``(..., D)`` or ``(..., L, D)`` float32 in place."""
        values.sub_(self.mean).div_(self.deviation)


@dataclass(frozen=True)
class Standardizer:
    """Mean and standard deviation of every role, layer and feature over the steps of some utterances.

    Attributes:
        mean: Role -> ``(D,)`` or ``(L, D)`` float32.
        deviation: Role -> standard deviation of the same shape; 1 for a constant feature.
    """

    mean: dict[Role, np.ndarray]
    deviation: dict[Role, np.ndarray]

    @classmethod
    def fit(cls, features: Mapping[Role, Iterable[np.ndarray]]) -> "Standardizer":
        """Compute the statistics of some utterances, accumulated in float64.

        Args:
            features: Role -> each utterance's ``(T, D)`` or ``(T, L, D)``; T is 0 if it lacks the modality.

        Raises:
            FeatureError: No utterance has a step of some role.
        """
        mean: dict[Role, np.ndarray] = {}
        deviation: dict[Role, np.ndarray] = {}
        for role, utterances in features.items():
            mean[role], deviation[role] = _statistics(utterances, role)
        return cls(mean, deviation)

    def scale(self, role: Role, *, entry_shape: tuple[int, ...]) -> Scale:
        """Return the scale for a role's steps of ``entry_shape``, ``(D,)`` or ``(L, D)``.

        Raises:
            FeatureError: The statistics are for other roles or sizes.
        """
        if role not in self.mean:
            raise FeatureError(f"the standardizer has no statistics of role {role!r}; it has {', '.join(self.mean)}")
        if self.mean[role].shape != entry_shape:
            raise FeatureError(
                f"the standardizer's statistics of role {role!r} have shape {self.mean[role].shape}, "
                f"the features have {entry_shape}; fit it on features of the same profile"
            )
        return Scale(torch.from_numpy(self.mean[role]), torch.from_numpy(self.deviation[role]))

    def save(self, path: Path) -> None:
        """Save the statistics as safetensors; :meth:`load` restores them bit for bit.

        Raises:
            OutputError: The folder is read-only, or the disk is full.
        """
        tensors = {f"{role}.mean": values for role, values in self.mean.items()}
        tensors |= {f"{role}.deviation": values for role, values in self.deviation.items()}
        with replacing(path) as part:
            save_file(tensors, part)

    @classmethod
    def load(cls, path: Path) -> "Standardizer":
        """Load a standardizer that :meth:`save` wrote.

        Raises:
            FeatureError: The file is missing, or is not a standardizer.
        """
        if not path.is_file():
            raise FeatureError(f"no such standardizer: {path}; it is saved with the model, so train the fold again")
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise FeatureError(f"{path} is corrupt ({error}); train the fold again") from error
        statistics: dict[str, dict[Role, np.ndarray]] = {"mean": {}, "deviation": {}}
        for name, values in tensors.items():
            role, _, figure = name.partition(".")
            if role not in ROLES or figure not in statistics:
                raise FeatureError(f"{path} is not a standardizer: it holds {name!r}; train the fold again")
            statistics[figure][role] = values
        return cls(statistics["mean"], statistics["deviation"])


def read_standardizer(model_folder: Path, *, standardized: bool) -> Standardizer | None:
    """Read the statistics of a model folder; None for a model that reads features without standardization.

    Raises:
        FeatureError: The file is missing, or is not a standardizer.
    """
    return Standardizer.load(model_folder / STANDARDIZER) if standardized else None


def _statistics(utterances: Iterable[np.ndarray], role: Role) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the standard deviation over all steps of the utterances."""
    count = seen = 0
    origin = sums = squares = np.zeros(())
    for values in utterances:
        seen += 1
        if not len(values):
            continue
        if not count:
            origin = values.astype(np.float64).mean(axis=0)  # near the mean, so that the squares do not cancel
            sums, squares = np.zeros_like(origin), np.zeros_like(origin)
        together = max(1, _PIECE_VALUES // origin.size)
        for start in range(0, len(values), together):
            exact = values[start : start + together].astype(np.float64)
            exact -= origin
            sums += exact.sum(axis=0)
            exact *= exact
            squares += exact.sum(axis=0)
        count += len(values)
    if not count:
        raise FeatureError(f"none of the {seen} utterances to standardize by has a step of role {role!r}")
    mean = origin + sums / count
    deviation = np.sqrt(np.maximum(squares / count - (sums / count) ** 2, 0.0))
    constant = deviation <= _CONSTANT * np.abs(mean) + 1e-6
    return mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32)

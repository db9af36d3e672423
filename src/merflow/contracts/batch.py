"""What a model takes and what it returns.

Shapes: N utterances, T steps, L encoder layers, D width, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from merflow.contracts.streams import Role, StreamShape


@dataclass(frozen=True)
class Batch:
    """Padded sequences of several utterances.

    A modality that an utterance lacks is a mask of False, never an absent key.

    Attributes:
        features: Role -> ``(N, T, D)``, or ``(N, T, L, D)`` where a model weighs layers. T differs by role.
        present: Role -> ``(N, T)`` bool, True = a real step.
        labels: ``(N,)`` int64 class indices, or None at inference.
        utterance_ids: N ids.
    """

    features: dict[Role, Tensor]
    present: dict[Role, Tensor]
    labels: Tensor | None
    utterance_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        assert self.features.keys() == self.present.keys()
        for role, values in self.features.items():
            assert values.shape[:2] == self.present[role].shape, role
            assert self.present[role].dtype == torch.bool, role

    def __len__(self) -> int:
        return len(self.utterance_ids)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(
            features={role: values.to(device, non_blocking=True) for role, values in self.features.items()},
            present={role: mask.to(device, non_blocking=True) for role, mask in self.present.items()},
            labels=None if self.labels is None else self.labels.to(device, non_blocking=True),
            utterance_ids=self.utterance_ids,
        )


@dataclass(frozen=True)
class LossTerm:
    """One named part of a model's loss: the trainer adds up ``weight * value`` and knows no more."""

    value: Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Output:
    """What every model's forward returns.

    Attributes:
        logits: ``(N, C)``.
        embedding: ``(N, E)``, the pooled vector that feeds the classifier.
        losses: Loss terms by name; empty where the batch has no labels.
    """

    logits: Tensor
    embedding: Tensor
    losses: dict[str, LossTerm]

    @property
    def loss(self) -> Tensor:
        """The weighted sum of the terms, a scalar."""
        assert self.losses, "a batch without labels has no loss"
        return torch.stack([term.weight * term.value for term in self.losses.values()]).sum()


@dataclass(frozen=True)
class Inspection:
    """One array that shows how a model came to its outputs.

    Attributes:
        values: ``(N, ...)`` float32 on the CPU.
        axes: What the axes after the first are: a role where they are that role's steps, or a word (``head``).
    """

    values: Tensor
    axes: tuple[str, ...]


class BatchSource(Protocol):
    """Utterances that can be made into batches: a feature dataset, or tensors in memory."""

    @property
    def lengths(self) -> np.ndarray:
        """``(len,)`` int64 steps of each utterance's longest stream, for bucketing."""
        ...

    @property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Sizes of each role's stream."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Batch:
        """The utterances at these positions, padded to the longest of each role."""
        ...

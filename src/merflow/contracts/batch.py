"""What a model takes and what it returns.

Shapes: N utterances, T steps, L encoder layers, D width, C classes; U units, E entries, K turns of raw inputs.
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
        labels: ``(N,)`` int64 class indices, float32 scores for a model that learns scores, or None at inference.
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
        """The same batch on another device, through pinned memory to a GPU."""
        return Batch(
            features={role: _moved(values, device) for role, values in self.features.items()},
            present={role: _moved(mask, device) for role, mask in self.present.items()},
            labels=None if self.labels is None else _moved(self.labels, device),
            utterance_ids=self.utterance_ids,
        )


@dataclass(frozen=True)
class RawSlice:
    """Some units of a stream, padded to the longest of them: what an encoder takes at once.

    A unit is a recording, a text, a window of 30 s or a picture.

    Attributes:
        values: ``(U, n)`` samples or token ids, ``(U, M, 3000)`` mel bands, or ``(U, 3, H, W)`` pixels uint8.
        lengths: ``(U,)`` int64 samples or tokens that are real; steps where units are never padded.
        steps: Of the longest unit, once it is encoded.
    """

    values: Tensor
    lengths: Tensor
    steps: int

    def to(self, device: torch.device) -> "RawSlice":
        """The same slice on another device."""
        return RawSlice(_moved(self.values, device), _moved(self.lengths, device), self.steps)


@dataclass(frozen=True)
class RawStream:
    """One role's inputs before its encoder, each distinct one once.

    The units' steps, ``slice.steps`` each, lie end to end; the place after the last is a step of zeros.

    Attributes:
        slices: Of units of similar length; none where no utterance has the modality.
        places: ``(E, T)`` int64, where the steps of each entry are.
        members: ``(N, K)`` int64 entries that are an utterance's turns, each pooled to one step, E where there is none;
            None where entry n is utterance n with its own steps.
    """

    slices: tuple[RawSlice, ...]
    places: Tensor
    members: Tensor | None

    @property
    def steps(self) -> int:
        """Of all units with their padding."""
        return sum(len(part.values) * part.steps for part in self.slices)

    def to(self, device: torch.device) -> "RawStream":
        """The same stream on another device."""
        return RawStream(
            slices=tuple(part.to(device) for part in self.slices),
            places=_moved(self.places, device),
            members=None if self.members is None else _moved(self.members, device),
        )


@dataclass(frozen=True)
class RawBatch:
    """Utterances of which some roles are still to be encoded; an encoder in the graph makes a :class:`Batch` of it.

    Attributes:
        streams: Roles whose encoders learn.
        stored: All other roles, the labels and the ids.
    """

    streams: dict[Role, RawStream]
    stored: Batch

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def labels(self) -> Tensor | None:
        """``(N,)`` int64 class indices, or None at inference."""
        return self.stored.labels

    @property
    def utterance_ids(self) -> tuple[str, ...]:
        """N ids."""
        return self.stored.utterance_ids

    def to(self, device: torch.device) -> "RawBatch":
        """The same batch on another device, through pinned memory to a GPU."""
        return RawBatch({role: stream.to(device) for role, stream in self.streams.items()}, self.stored.to(device))


def _moved(values: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


@dataclass(frozen=True)
class LossTerm:
    """One named part of a model's loss: the trainer adds up ``weight * value`` and knows no more.

    Attributes:
        value: A scalar: the mean over the batch's utterances, or what ``joint`` says.
        weight: Of the term.
        joint: Where several devices share a batch, the mean of their values is the whole batch's, however it is shared.
    """

    value: Tensor
    weight: float = 1.0
    joint: bool = False


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

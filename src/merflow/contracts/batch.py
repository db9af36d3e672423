"""Inputs and outputs of models.

Shapes: N utterances, T steps, L encoder layers, D width, C classes; U units, E entries, K turns of raw inputs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from merflow.contracts.streams import Role


@dataclass(frozen=True)
class Batch:
    """Padded sequences of several utterances.

    If an utterance lacks a modality, its mask is False throughout; the key is never absent.

    Attributes:
        features: Role -> ``(N, T, D)``, or ``(N, T, L, D)`` for models that weight layers. T differs by role.
        present: Role -> ``(N, T)`` bool, True = a real step.
        labels: ``(N,)`` int64 class indices, float32 scores if a score is learned, or None at inference.
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
        """Return the batch on another device; copies to a GPU go through pinned memory."""
        return Batch(
            features={role: _moved(values, device) for role, values in self.features.items()},
            present={role: _moved(mask, device) for role, mask in self.present.items()},
            labels=None if self.labels is None else _moved(self.labels, device),
            utterance_ids=self.utterance_ids,
        )


@dataclass(frozen=True)
class RawSlice:
    """Units of a stream that an encoder processes together, padded to the longest of them.

    A unit is a recording, a text, a window of 30 s or a picture.

    Attributes:
        values: ``(U, n)`` samples or token ids, ``(U, M, 3000)`` mel bands, or ``(U, 3, H, W)`` pixels uint8.
        lengths: ``(U,)`` int64 real samples or tokens per unit; its steps if units are never padded.
        steps: Steps of the longest unit after encoding.
    """

    values: Tensor
    lengths: Tensor
    steps: int

    def to(self, device: torch.device) -> "RawSlice":
        """Return the slice on another device."""
        return RawSlice(_moved(self.values, device), _moved(self.lengths, device), self.steps)


@dataclass(frozen=True)
class RawStream:
    """Inputs of one role before its encoder runs. Inputs that several utterances share are included once.

    After encoding, the steps of all units are concatenated, ``slice.steps`` per unit, and one step of zeros follows.

    Attributes:
        slices: Slices of units of similar length; empty if no utterance has the modality.
        positions: ``(E, T)`` int64 positions of each entry's steps in the concatenation.
        members: ``(N, K)`` int64 entries of each utterance's turns, each pooled to one step; E for a turn that does not
            exist. None if entry n is utterance n with all its steps.
    """

    slices: tuple[RawSlice, ...]
    positions: Tensor
    members: Tensor | None

    @property
    def steps(self) -> int:
        """Steps of all units, with their padding."""
        return sum(len(part.values) * part.steps for part in self.slices)

    def to(self, device: torch.device) -> "RawStream":
        """Return the stream on another device."""
        return RawStream(
            slices=tuple(part.to(device) for part in self.slices),
            positions=_moved(self.positions, device),
            members=None if self.members is None else _moved(self.members, device),
        )


@dataclass(frozen=True)
class RawBatch:
    """Utterances with some roles not yet encoded; encoders in the graph turn it into a :class:`Batch`.

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
        """``(N,)`` int64 class indices or float32 scores, or None at inference."""
        return self.stored.labels

    @property
    def utterance_ids(self) -> tuple[str, ...]:
        """The N ids."""
        return self.stored.utterance_ids

    def to(self, device: torch.device) -> "RawBatch":
        """Return the batch on another device; copies to a GPU go through pinned memory."""
        return RawBatch({role: stream.to(device) for role, stream in self.streams.items()}, self.stored.to(device))


def _moved(values: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


@dataclass(frozen=True)
class LossTerm:
    """One named term of a model's loss. The trainer sums ``weight * value`` and knows nothing else about it.

    Attributes:
        value: A scalar: the mean over the utterances of the batch, unless ``joint`` is set.
        weight: Factor of the term in the sum.
        joint: True if the term looks across the whole batch even if several processes train on shares of it. The
            values of the processes then add up to the value of the whole batch, whatever the sizes of the shares.
    """

    value: Tensor
    weight: float = 1.0
    joint: bool = False


@dataclass(frozen=True)
class Output:
    """Return value of every model's forward pass.

    Attributes:
        logits: ``(N, C)``; scores ``(N, 1)`` where a score is learned.
        embedding: ``(N, E)``, the pooled vectors that feed the classifier.
        losses: Loss terms by name; empty if the batch has no labels.
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
    """One array that explains how a model arrived at its outputs, such as an attention map or a gate.

    Attributes:
        values: ``(N, ...)`` float32 on the CPU.
        axes: Names of the axes after the first: a role if the axis holds that role's steps, or a word such as
            ``head``; see also :mod:`merflow.contracts.axes`.
    """

    values: Tensor
    axes: tuple[str, ...]

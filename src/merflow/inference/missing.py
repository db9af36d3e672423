"""Utterances without one or more of their modalities.

A missing modality is a mask of False, exactly as if the corpus lacked it (``contracts.batch``).

Shapes: N utterances, E entries, K turns.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from merflow.contracts.batch import Batch, RawBatch, RawStream
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.streams import MODALITY_OF, Modality, Role


def missing_sets(modalities: Collection[Modality]) -> list[tuple[Modality, ...]]:
    """Return every set of modalities that can be removed so that at least one is left, small sets first."""
    ordered = sorted(modalities)
    return [removed for count in range(1, len(ordered)) for removed in combinations(ordered, count)]


def without(batch: Batch | RawBatch, removed: Mapping[Modality, Tensor]) -> Batch | RawBatch:
    """Return the batch without some modalities of some utterances.

    Args:
        batch: The utterances.
        removed: Modality -> ``(N,)`` bool, True for the utterances that lose it.
    """
    if isinstance(batch, RawBatch):
        streams = {role: _silenced(stream, removed.get(MODALITY_OF[role])) for role, stream in batch.streams.items()}
        return RawBatch(streams, _masked(batch.stored, removed))
    return _masked(batch, removed)


def without_everything(batch: Batch | RawBatch) -> Batch | RawBatch:
    """Return the batch with all modalities of all utterances removed."""
    all_utterances = torch.ones(len(batch), dtype=torch.bool, device=_device(batch))
    return without(batch, dict.fromkeys(modalities_present(batch), all_utterances))


class Without:
    """A source whose utterances all lack some modalities; a :class:`merflow.contracts.sources.UtteranceSource`."""

    def __init__(self, source: UtteranceSource, removed: Collection[Modality]) -> None:
        self._source = source
        self._removed = tuple(removed)
        self.lengths = source.lengths
        self.labels = source.labels

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """Return the utterances with these indices, without the removed modalities."""
        batch = self._source.batch(indices)
        all_utterances = torch.ones(len(batch), dtype=torch.bool, device=_device(batch))
        return without(batch, dict.fromkeys(self._removed, all_utterances))


def modalities_present(batch: Batch | RawBatch) -> dict[Modality, Tensor]:
    """Return by modality, in alphabetical order, ``(N,)`` bool: True for utterances with at least one step of it."""
    stored = batch.stored if isinstance(batch, RawBatch) else batch
    by_role: dict[Role, Tensor] = {role: mask.any(dim=1) for role, mask in stored.present.items()}
    if isinstance(batch, RawBatch):
        by_role |= {role: _has_steps(stream) for role, stream in batch.streams.items()}
    by_modality: dict[Modality, Tensor] = {}
    for role, present in by_role.items():
        modality = MODALITY_OF[role]
        by_modality[modality] = by_modality[modality] | present if modality in by_modality else present
    return {modality: by_modality[modality] for modality in sorted(by_modality)}


def _has_steps(stream: RawStream) -> Tensor:
    if stream.members is None:
        return (stream.positions < stream.steps).any(dim=1)
    return (stream.members < len(stream.positions)).any(dim=1)


def _silenced(stream: RawStream, removed: Tensor | None) -> RawStream:
    if removed is None:
        return stream
    if stream.members is None:
        return replace(stream, positions=stream.positions.masked_fill(removed.unsqueeze(1), stream.steps))
    return replace(stream, members=stream.members.masked_fill(removed.unsqueeze(1), len(stream.positions)))


def _masked(batch: Batch, removed: Mapping[Modality, Tensor]) -> Batch:
    present = {
        role: mask & ~removed[MODALITY_OF[role]].to(mask.device).unsqueeze(1) if MODALITY_OF[role] in removed else mask
        for role, mask in batch.present.items()
    }
    return replace(batch, present=present)


def _device(batch: Batch | RawBatch) -> torch.device:
    stored = batch.stored if isinstance(batch, RawBatch) else batch
    masks = [*stored.present.values()]
    if isinstance(batch, RawBatch):
        masks += [stream.positions for stream in batch.streams.values()]
    return masks[0].device

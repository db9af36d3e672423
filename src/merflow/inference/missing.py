"""Utterances without one or more of their modalities: by chance in training, on purpose in evaluation.

A modality that is missing is a mask of False, as where the corpus lacks it (``contracts.batch``).

Shapes: N utterances, M modalities, E entries, K turns.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from merflow.contracts.batch import Batch, RawBatch, RawStream
from merflow.contracts.streams import MODALITY_OF, Modality, Role
from merflow.training.stages import Source


def missing_sets(modalities: Collection[Modality]) -> list[tuple[Modality, ...]]:
    """Every set of modalities that can be taken away with one left, the small ones first."""
    known = sorted(modalities)
    return [gone for count in range(1, len(known)) for gone in combinations(known, count)]


def drop_modalities(batch: Batch | RawBatch, *, probability: float) -> Batch | RawBatch:
    """The batch after each utterance lost each of its modalities with this probability, but never its last one.

    Numbers come from torch's own generator on the batch's device, which every epoch seeds anew; nothing is drawn where
    the probability is 0.
    """
    if not probability:
        return batch
    present = _present(batch)
    there = torch.stack(list(present.values()), dim=1)  # (N, M)
    drawn = torch.rand(there.shape, device=there.device)
    kept = there & (drawn >= probability)
    # Where chance took all, the one with the largest number stays.
    last = torch.nn.functional.one_hot(drawn.where(there, -1.0).argmax(dim=1), there.shape[1]).bool()
    gone = there & ~torch.where(kept.any(dim=1, keepdim=True), kept, last)
    return without(batch, dict(zip(present, gone.unbind(dim=1), strict=True)))


def without(batch: Batch | RawBatch, gone: Mapping[Modality, Tensor]) -> Batch | RawBatch:
    """The batch without some modalities of some utterances: modality -> ``(N,)`` bool, True where it goes."""
    if isinstance(batch, RawBatch):
        streams = {role: _silenced(stream, gone.get(MODALITY_OF[role])) for role, stream in batch.streams.items()}
        return RawBatch(streams, _masked(batch.stored, gone))
    return _masked(batch, gone)


def without_everything(batch: Batch | RawBatch) -> Batch | RawBatch:
    """The batch whose utterances all lack every modality."""
    everyone = torch.ones(len(batch), dtype=torch.bool, device=_device(batch))
    return without(batch, dict.fromkeys(_present(batch), everyone))


class Without:
    """A source whose utterances all lack some modalities; a :class:`merflow.training.stages.Source`."""

    def __init__(self, source: Source, gone: Collection[Modality]) -> None:
        self._source = source
        self._gone = tuple(gone)
        self.lengths = source.lengths
        self.labels = source.labels

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Sequence[int]) -> Batch | RawBatch:
        """The utterances at these positions, without the modalities."""
        batch = self._source.batch(indices)
        everyone = torch.ones(len(batch), dtype=torch.bool, device=_device(batch))
        return without(batch, dict.fromkeys(self._gone, everyone))


def _present(batch: Batch | RawBatch) -> dict[Modality, Tensor]:
    """Modality -> ``(N,)`` whether the utterance has any step of it."""
    stored = batch.stored if isinstance(batch, RawBatch) else batch
    by_role: dict[Role, Tensor] = {role: mask.any(dim=1) for role, mask in stored.present.items()}
    if isinstance(batch, RawBatch):
        by_role |= {role: _has_steps(stream) for role, stream in batch.streams.items()}
    found: dict[Modality, Tensor] = {}
    for role, there in by_role.items():
        modality = MODALITY_OF[role]
        found[modality] = found[modality] | there if modality in found else there
    return {modality: found[modality] for modality in sorted(found)}


def _has_steps(stream: RawStream) -> Tensor:
    if stream.members is None:
        return (stream.places < stream.steps).any(dim=1)
    return (stream.members < len(stream.places)).any(dim=1)


def _silenced(stream: RawStream, gone: Tensor | None) -> RawStream:
    if gone is None:
        return stream
    if stream.members is None:
        return replace(stream, places=stream.places.masked_fill(gone.unsqueeze(1), stream.steps))
    return replace(stream, members=stream.members.masked_fill(gone.unsqueeze(1), len(stream.places)))


def _masked(batch: Batch, gone: Mapping[Modality, Tensor]) -> Batch:
    present = {
        role: mask & ~gone[MODALITY_OF[role]].to(mask.device).unsqueeze(1) if MODALITY_OF[role] in gone else mask
        for role, mask in batch.present.items()
    }
    return replace(batch, present=present)


def _device(batch: Batch | RawBatch) -> torch.device:
    stored = batch.stored if isinstance(batch, RawBatch) else batch
    masks = [*stored.present.values()]
    if isinstance(batch, RawBatch):
        masks += [stream.places for stream in batch.streams.values()]
    return masks[0].device

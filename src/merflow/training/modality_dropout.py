"""Modality dropout: training utterances lose modalities at random.

Shapes: N utterances, M modalities.
"""

import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.inference.missing import modalities_present, without


def drop_modalities(batch: Batch | RawBatch, *, probability: float) -> Batch | RawBatch:
    """Return the batch with each modality of each utterance dropped with this probability.

    No utterance loses its last modality. Random numbers come from torch's generator on the batch's device, which is
    reseeded every epoch; none is drawn if the probability is 0.
    """
    if not probability:
        return batch
    by_modality = modalities_present(batch)
    present = torch.stack(list(by_modality.values()), dim=1)  # (N, M)
    drawn = torch.rand(present.shape, device=present.device)
    survives = present & (drawn >= probability)
    # If all of an utterance's modalities were drawn, the one with the largest number survives.
    largest = torch.nn.functional.one_hot(drawn.where(present, -1.0).argmax(dim=1), present.shape[1]).bool()
    dropped = present & ~torch.where(survives.any(dim=1, keepdim=True), survives, largest)
    return without(batch, dict(zip(by_modality, dropped.unbind(dim=1), strict=True)))

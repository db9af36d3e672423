"""Batches made on the host while the device computes the one before."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.training.stages import Source


def batches(source: Source, order: Sequence[Sequence[int]], *, device: torch.device) -> Iterator[Batch | RawBatch]:
    """The batches in order, on the device.

    For a GPU, a thread makes the next batch in the meantime; a CPU that computes has no time to spare for it.
    """
    if device.type == "cpu" or not order:
        for indices in order:
            yield source.batch(indices)
        return
    with ThreadPoolExecutor(max_workers=1) as maker:
        waiting = [maker.submit(source.batch, indices) for indices in order[:1]]
        for following in [*order[1:], None]:
            batch = waiting.pop().result()
            if following is not None:
                waiting.append(maker.submit(source.batch, following))
            yield batch.to(device)

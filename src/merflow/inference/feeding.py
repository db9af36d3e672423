"""Batches made on the host while the device, or another core, computes with the one before."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.training.stages import Source


def batches(source: Source, order: Sequence[Sequence[int]], *, device: torch.device) -> Iterator[Batch | RawBatch]:
    """The batches in order, on the device; a thread makes the next one in the meantime."""
    if not order:
        return
    with ThreadPoolExecutor(max_workers=1) as maker:
        waiting = [maker.submit(source.batch, order[0])]
        for following in [*order[1:], None]:
            batch = waiting.pop().result()
            if following is not None:
                waiting.append(maker.submit(source.batch, following))
            yield batch.to(device)
            del batch  # what the device has done with is memory for the batch after the next

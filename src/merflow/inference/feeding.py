"""Batches that are prepared in the background while the model computes with the previous one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.sources import UtteranceSource


def batches(
    source: UtteranceSource, order: Sequence[Sequence[int]], *, device: torch.device
) -> Iterator[Batch | RawBatch]:
    """Yield the batches in order, on the device; if there are several, a thread prepares the next one in advance."""
    if len(order) < 2:
        yield from (source.batch(indices).to(device) for indices in order)
        return
    with ThreadPoolExecutor(max_workers=1) as executor:
        waiting = [executor.submit(source.batch, order[0])]
        for following in [*order[1:], None]:
            batch = waiting.pop().result()
            if following is not None:
                waiting.append(executor.submit(source.batch, following))
            yield batch.to(device)
            del batch  # free its memory for the batch after the next one

"""A stream's features in memory, in 16 bits a value as they are stored; the host's memory, or the GPU's.

They are widened and standardised anew for every batch. Ready float32 values would make a batch in about half the time
on a processor, and would take twice the memory: every layer of a large encoder then fits nowhere.

Shapes: N utterances, K places of each (steps, or turns around it).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from merflow.features.batches.standardize import Scale

if TYPE_CHECKING:  # a machine without the readers of recordings makes batches, too
    from merflow.features.batches.stored_rows import StoredRows

# Entries on their way to the device.
_CARRIED_BYTES = 256 << 20


class HostRows:
    """Some rows' entries in the host's memory, read when it is made.

    Args:
        stored: Where they are read.
        rows: Of the manifest, each once.
    """

    def __init__(self, stored: "StoredRows", rows: np.ndarray) -> None:
        there = stored.as_stored(rows)
        self._steps = stored.steps
        self._starts, total = _starts(stored, there)
        self._flat = np.empty((total, *stored.entry_shape), dtype=np.float16)
        for start, entries in _read(stored, there):
            np.concatenate(entries, out=self._flat[start : start + sum(map(len, entries))])

    def entries(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Each ``(T, *entry_shape)`` float16, a view."""
        return [self._flat[self._starts[row] : self._starts[row] + self._steps[row]] for row in rows]


class DeviceRows:
    """Some rows' entries in a device's memory, from which a batch is a single gather.

    Nothing waits for the device: what a batch needs to know goes up in a copy of its own, nothing comes down.

    Args:
        stored: Where they are read.
        rows: Of the manifest, each once.
        scale: What to standardise by; none for values as they are.
        device: Where they are kept.
    """

    def __init__(self, stored: "StoredRows", rows: np.ndarray, *, scale: Scale | None, device: torch.device) -> None:
        there = stored.as_stored(rows)
        starts, total = _starts(stored, there)
        self._device = device
        self._scale = None if scale is None else scale.on(device)
        self._starts = torch.from_numpy(starts).to(device)
        self._steps = torch.from_numpy(stored.steps).to(device)
        self._flat = torch.empty((max(1, total), *stored.entry_shape), dtype=torch.float16, device=device)
        for start, entries in _read(stored, there):
            together = torch.from_numpy(np.concatenate(entries))
            self._flat[start : start + len(together)] = together.to(device)

    def gather(self, rows: np.ndarray, *, offsets: np.ndarray) -> tuple[Tensor, Tensor]:
        """Features ``(N, K, *entry_shape)`` float32, zeros where nothing is present, and the mask ``(N, K)`` bool.

        Args:
            rows: Of the manifest, ``(N, K)`` or ``(N, 1)``; -1 where there is none.
            offsets: Step within the row, ``(1, K)`` or ``(1, 1)``.
        """
        row, offset = on_device(rows, self._device), on_device(offsets, self._device)
        known = row.clamp(min=0)
        present = (row >= 0) & (offset < self._steps[known])
        places = torch.where(present, self._starts[known] + offset, 0)
        return gathered(self._flat, places, present=present, scale=self._scale), present


def gathered(flat: Tensor, places: Tensor, *, present: Tensor, scale: Scale | None) -> Tensor:
    """Features ``(N, K, *entry_shape)`` float32, standardised, zeros where nothing is present.

    Args:
        flat: Steps end to end ``(steps, *entry_shape)`` float16.
        places: Of each step among them, ``(N, K)``; any where nothing is present.
        present: ``(N, K)`` bool.
        scale: What to standardise by; none for values as they are.
    """
    values = flat[places].float()
    if scale is not None:
        scale.apply_(values)
    absent = ~present.reshape(*present.shape, *(1 for _ in range(values.dim() - 2)))
    return values.masked_fill_(absent, 0.0)


def on_device(values: np.ndarray, device: torch.device) -> Tensor:
    """A small array in a device's memory; the device's work goes on meanwhile."""
    held = torch.from_numpy(np.ascontiguousarray(values))
    return held.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else held.to(device)


def _starts(stored: "StoredRows", there: np.ndarray) -> tuple[np.ndarray, int]:
    """Where each row of the manifest begins among the given ones, end to end, and how many steps they are."""
    starts = np.zeros(len(stored.steps), dtype=np.int64)
    ends = np.cumsum(stored.steps[there])
    starts[there] = ends - stored.steps[there]
    return starts, int(ends[-1]) if len(ends) else 0


def _read(stored: "StoredRows", there: np.ndarray) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Entries one after the other, some at a time, with the step at which they begin."""
    most = max(1, _CARRIED_BYTES // (2 * int(np.prod(stored.entry_shape))))
    start = 0
    part: list[int] = []
    steps = 0
    for row in there.tolist():
        part.append(row)
        steps += int(stored.steps[row])
        if steps >= most:
            yield start, stored.entries(part)
            start, part, steps = start + steps, [], 0
    if part:
        yield start, stored.entries(part)

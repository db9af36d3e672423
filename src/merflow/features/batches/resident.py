"""Features of a stream in the memory of the host or the GPU, in 16 bits per value as they are stored.

They are widened and standardized again for every batch. With float32 values in memory, a CPU would make a batch in
about half the time, but they need twice the memory: all layers of a large encoder would not fit anywhere.

Shapes: N utterances, K positions of each (steps, or turns around it).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from merflow.features.batches.standardize import Scale

if TYPE_CHECKING:  # batches are also made on machines without the libraries that read recordings
    from merflow.features.batches.stored_rows import StoredRows

# Memory for entries on their way to the device.
_CARRIED_BYTES = 256 << 20


class HostRows:
    """Entries of some manifest rows in the host's memory, read on construction.

    Args:
        stored: Rows to read the entries from.
        rows: Manifest rows without duplicates.
    """

    def __init__(self, stored: "StoredRows", rows: np.ndarray) -> None:
        ordered = stored.as_stored(rows)
        self._steps = stored.steps
        self._starts, total = _starts(stored, ordered)
        self._flat = np.empty((total, *stored.entry_shape), dtype=np.float16)
        for start, entries in _read(stored, ordered):
            np.concatenate(entries, out=self._flat[start : start + sum(map(len, entries))])

    def entries(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Return each row's ``(T, *entry_shape)`` float16 as a view."""
        return [self._flat[self._starts[row] : self._starts[row] + self._steps[row]] for row in rows]


class DeviceRows:
    """Entries of some manifest rows in a device's memory, from which a single gather makes a batch.

    The host never waits for the device: the indices of a batch are copied to it, and nothing is copied back.

    Args:
        stored: Rows to read the entries from.
        rows: Manifest rows without duplicates.
        scale: Scale to standardize by; None to leave values as they are.
        device: Device whose memory holds the entries.
    """

    def __init__(self, stored: "StoredRows", rows: np.ndarray, *, scale: Scale | None, device: torch.device) -> None:
        ordered = stored.as_stored(rows)
        starts, total = _starts(stored, ordered)
        self._device = device
        self._scale = None if scale is None else scale.on(device)
        self._starts = torch.from_numpy(starts).to(device)
        self._steps = torch.from_numpy(stored.steps).to(device)
        self._flat = torch.empty((max(1, total), *stored.entry_shape), dtype=torch.float16, device=device)
        for start, entries in _read(stored, ordered):
            part = torch.from_numpy(np.concatenate(entries))
            self._flat[start : start + len(part)] = part.to(device)

    def gather(self, rows: np.ndarray, *, offsets: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return features ``(N, K, *entry_shape)`` float32, zeros where nothing is present, and the mask ``(N, K)``.

        Args:
            rows: Manifest rows ``(N, K)`` or ``(N, 1)``; -1 for turns that do not exist.
            offsets: Step within the row, ``(1, K)`` or ``(1, 1)``.
        """
        row, offset = on_device(rows, self._device), on_device(offsets, self._device)
        clamped = row.clamp(min=0)
        present = (row >= 0) & (offset < self._steps[clamped])
        positions = torch.where(present, self._starts[clamped] + offset, 0)
        return gathered(self._flat, positions, present=present, scale=self._scale), present


def gathered(flat: Tensor, positions: Tensor, *, present: Tensor, scale: Scale | None) -> Tensor:
    """Return features ``(N, K, *entry_shape)`` float32, standardized, with zeros wherever nothing is present.

    Args:
        flat: Concatenated steps ``(steps, *entry_shape)`` float16.
        positions: ``(N, K)`` index of each step in ``flat``; arbitrary where nothing is present.
        present: ``(N, K)`` bool.
        scale: Scale to standardize by; None to leave values as they are.
    """
    values = flat[positions].float()
    if scale is not None:
        scale.apply_(values)
    absent = ~present.reshape(*present.shape, *(1 for _ in range(values.dim() - 2)))
    return values.masked_fill_(absent, 0.0)


def on_device(values: np.ndarray, device: torch.device) -> Tensor:
    """Copy a small array to a device without waiting for the device's work."""
    on_host = torch.from_numpy(np.ascontiguousarray(values))
    return on_host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else on_host.to(device)


def _starts(stored: "StoredRows", ordered: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the index at which each manifest row begins in the concatenated steps, and the total number of steps."""
    starts = np.zeros(len(stored.steps), dtype=np.int64)
    ends = np.cumsum(stored.steps[ordered])
    starts[ordered] = ends - stored.steps[ordered]
    return starts, int(ends[-1]) if len(ends) else 0


def _read(stored: "StoredRows", ordered: np.ndarray) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield entries, several at a time, with the index at which they begin in the concatenated steps."""
    most = max(1, _CARRIED_BYTES // (2 * int(np.prod(stored.entry_shape))))
    start = 0
    part: list[int] = []
    steps = 0
    for row in ordered.tolist():
        part.append(row)
        steps += int(stored.steps[row])
        if steps >= most:
            yield start, stored.entries(part)
            start, part, steps = start + steps, [], 0
    if part:
        yield start, stored.entries(part)

"""Prepared inputs as units, and units as slices that an encoder in the graph processes at once.

Shapes: N utterances, K turns, U units, E entries, T steps of an entry.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from merflow.contracts.batch import RawSlice, RawStream
from merflow.features.encoders.huggingface.steps import speech_steps
from merflow.features.encoders.interface import Prepared


class Unit(NamedTuple):
    """A recording ``(n,)``, a text ``(I,)``, a window of Whisper ``(M, 3000)`` or a picture ``(3, H, W)``.

    Attributes:
        values: The unit itself.
        steps: Number of steps after encoding.
    """

    values: np.ndarray
    steps: int

    @property
    def cost(self) -> int:
        """Contribution to the cost of a slice: the unit's steps, or 1 if all units have the same size."""
        return self.steps if self.values.ndim == 1 else 1


def units_of(prepared: Prepared, *, encoder: str, config: dict[str, Any]) -> list[Unit]:
    """Return the units of an input in order.

    Args:
        prepared: The input as the encoder's own preparer returned it.
        encoder: Name of the encoder in ``features.encoders``.
        config: Content of the encoder's ``config.json``.
    """
    values = prepared.values
    if encoder == "whisper-encoder":
        return [Unit(mel, steps) for mel, steps in zip(values["mel"], values["steps"].tolist(), strict=True)]
    if encoder in ("clip-image", "image"):
        return [Unit(picture, 1) for picture in values]
    return [Unit(values, speech_steps(len(values), config) if encoder in ("wavlm", "audio") else len(values))]


def raw_stream(
    entries: Sequence[Sequence[Unit]], members: np.ndarray, *, pooled: bool, most: int | None, fill: int
) -> RawStream:
    """Return a stream of utterances before its encoder runs.

    Args:
        entries: Units of each distinct input, in order; every entry has at least one step.
        members: ``(N, K)`` int64 entries of each utterance's turns, E for turns that do not exist. K is 1 if the stream
            has no neighbours.
        pooled: True if each entry is pooled to one step.
        most: Highest cost of a slice; see :func:`slices_of`.
        fill: Padding value; see :func:`slices_of`.
    """
    slices, positions = slices_of([*entries, []], most=most, fill=fill)  # the last entry has no steps
    index = torch.from_numpy(members)
    if pooled:
        return RawStream(slices, positions=positions[:-1], members=index)
    return RawStream(slices, positions=positions[index[:, 0]], members=None)


def slices_of(entries: Sequence[Sequence[Unit]], *, most: int | None, fill: int) -> tuple[tuple[RawSlice, ...], Tensor]:
    """Pack units into slices of similar length.

    Args:
        entries: Units of each entry in order.
        most: Highest cost of a slice, in which every unit costs as much as the longest; None for a single slice.
        fill: Value that pads shorter texts or recordings.

    Returns:
        The slices, and ``(E, T)`` int64 positions of each entry's steps in their concatenation; T is at least 1.
    """
    units = [(entry, unit) for entry, entry_units in enumerate(entries) for unit in entry_units]
    slices, first_step, total = [], [0] * len(units), 0
    for chosen in _cut([unit.cost for _, unit in units], most):
        part = _padded([units[index][1] for index in chosen], fill=fill)
        for row, index in enumerate(chosen):
            first_step[index] = total + row * part.steps
        total += len(chosen) * part.steps
        slices.append(part)
    steps = [sum(unit.steps for unit in entry_units) for entry_units in entries]
    positions = np.full((len(entries), max([1, *steps])), total, dtype=np.int64)
    done = [0] * len(entries)
    for (entry, unit), first in zip(units, first_step, strict=True):
        positions[entry, done[entry] : done[entry] + unit.steps] = np.arange(first, first + unit.steps)
        done[entry] += unit.steps
    return tuple(slices), torch.from_numpy(positions)


def _cut(costs: Sequence[int], most: int | None) -> list[list[int]]:
    """Return indices by falling cost, as many per slice as fit; a unit that is too costly gets its own slice."""
    slices: list[list[int]] = []
    for index in sorted(range(len(costs)), key=lambda index: -costs[index]):
        if not slices or (most is not None and (len(slices[-1]) + 1) * costs[slices[-1][0]] > most):
            slices.append([])
        slices[-1].append(index)
    return slices


def _padded(units: Sequence[Unit], *, fill: int) -> RawSlice:
    """Stack units. Only recordings and texts differ in length; mel windows and pictures have one size."""
    flat = units[0].values.ndim == 1
    lengths = [len(unit.values) if flat else unit.steps for unit in units]
    if flat:
        values = np.full((len(units), max(lengths)), fill, dtype=units[0].values.dtype)
        for row, unit in enumerate(units):
            values[row, : len(unit.values)] = unit.values
    else:
        values = np.stack([unit.values for unit in units])
    return RawSlice(torch.from_numpy(values), torch.tensor(lengths), steps=max(unit.steps for unit in units))

"""Prepared inputs as units, and units as slices: what an encoder in the graph takes at once.

Shapes: U units, E entries, T steps of an entry, S steps of all units with their padding.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from merflow.contracts.batch import RawSlice
from merflow.features.encoders.huggingface.steps import speech_steps
from merflow.features.encoders.prepared import Prepared


class Unit(NamedTuple):
    """A recording ``(n,)``, a text ``(I,)``, a window of Whisper ``(M, 3000)`` or a picture ``(3, H, W)``.

    Attributes:
        steps: How many it gives once it is encoded.
    """

    values: np.ndarray
    steps: int

    @property
    def cost(self) -> int:
        """What it adds to a slice: its steps, or 1 where all units are of one size."""
        return self.steps if self.values.ndim == 1 else 1


def units_of(prepared: Prepared, *, encoder: str, config: dict[str, Any]) -> list[Unit]:
    """An input's units in order.

    Args:
        prepared: By the encoder's own preparer.
        encoder: Its name in ``features.encoders``.
        config: The content of its ``config.json``.
    """
    values = prepared.values
    if encoder == "whisper-encoder":
        return [Unit(mel, steps) for mel, steps in zip(values["mel"], values["steps"].tolist(), strict=True)]
    if encoder == "clip-image":
        return [Unit(picture, 1) for picture in values]
    return [Unit(values, speech_steps(len(values), config) if encoder == "wavlm" else len(values))]


def slices_of(entries: Sequence[Sequence[Unit]], *, most: int | None, fill: int) -> tuple[tuple[RawSlice, ...], Tensor]:
    """Slices of units of similar length, and where each entry's steps are in them: ``(E, T)`` int64, T at least 1.

    Args:
        entries: Each entry's units in order.
        most: What a slice may cost, each unit as much as its longest; None for one slice of all.
        fill: What stands behind the end of a shorter text or recording.
    """
    units = [(entry, unit) for entry, own in enumerate(entries) for unit in own]
    slices, first_step, total = [], [0] * len(units), 0
    for chosen in _cut([unit.cost for _, unit in units], most):
        part = _padded([units[place][1] for place in chosen], fill=fill)
        for position, place in enumerate(chosen):
            first_step[place] = total + position * part.steps
        total += len(chosen) * part.steps
        slices.append(part)
    steps = [sum(unit.steps for unit in own) for own in entries]
    places = np.full((len(entries), max([1, *steps])), total, dtype=np.int64)
    done = [0] * len(entries)
    for (entry, unit), first in zip(units, first_step, strict=True):
        places[entry, done[entry] : done[entry] + unit.steps] = np.arange(first, first + unit.steps)
        done[entry] += unit.steps
    return tuple(slices), torch.from_numpy(places)


def _cut(costs: Sequence[int], most: int | None) -> list[list[int]]:
    """Places from the dearest down, so many together as fit; a unit that is too dear is alone."""
    slices: list[list[int]] = []
    for place in sorted(range(len(costs)), key=lambda place: -costs[place]):
        if not slices or (most is not None and (len(slices[-1]) + 1) * costs[slices[-1][0]] > most):
            slices.append([])
        slices[-1].append(place)
    return slices


def _padded(units: Sequence[Unit], *, fill: int) -> RawSlice:
    """Units of several lengths exist along one axis only; mel bands and pixels are of one size."""
    flat = units[0].values.ndim == 1
    lengths = [len(unit.values) if flat else unit.steps for unit in units]
    if flat:
        values = np.full((len(units), max(lengths)), fill, dtype=units[0].values.dtype)
        for row, unit in enumerate(units):
            values[row, : len(unit.values)] = unit.values
    else:
        values = np.stack([unit.values for unit in units])
    return RawSlice(torch.from_numpy(values), torch.tensor(lengths), steps=max(unit.steps for unit in units))

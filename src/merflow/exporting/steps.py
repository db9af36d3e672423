"""Frames, percentiles and spectra as tensor operations that ONNX supports.

Shapes: n samples, T steps, w samples of a frame, F bins of a spectrum.
"""

import numpy as np
import torch
from torch import Tensor

from merflow.features.encoders.lite.frames import HOP, LOUD, WINDOW


def constant(values: np.ndarray) -> Tensor:
    """Return a float64 tensor with these values."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))


def exact(value: float) -> Tensor:
    """Return a number as ``(1,)`` float64.

    A plain number would be rounded to float32 on its way into the graph, and PyTorch's graph optimizer treats numbers
    below 1e-8 as zero.
    """
    return torch.tensor([value], dtype=torch.float64)


def frames(samples: Tensor, window: int, *, pad: int = 0) -> Tensor:
    """Return ``(T, window)`` float64, one row per hop, for at least 400 samples ``(n,)`` float64."""
    silence = torch.zeros(pad, dtype=torch.float64)
    padded = torch.cat([silence, samples, silence])
    starts = HOP * torch.arange((samples.shape[0] - WINDOW) // HOP + 1)
    return padded[starts[:, None] + torch.arange(window)]


def loud(values: Tensor) -> Tensor:
    """Return the value of a recording's loud steps ``(1,)``, given one value per step ``(T,)``."""
    return percentile(values, LOUD / 100)


def percentile(values: Tensor, share: float) -> Tensor:
    """Return ``(1,)``, interpolated between the two nearest of the values ``(T,)`` as NumPy does."""
    ordered = torch.sort(values).values
    last = torch.arange(values.shape[0])[-1:]
    place = last.double() * exact(share)
    below = torch.floor(place).long()
    low, high = ordered[below], ordered[torch.minimum(below + 1, last)]
    part = place - below
    return torch.where(part >= 0.5, high - (high - low) * (1 - part), low + (high - low) * part)


def spectrum_maps(window: np.ndarray, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the maps ``(w, F)`` from a frame to the real and imaginary parts of its windowed spectrum.

    Args:
        window: ``(w,)``.
        size: Samples of the transform, at least w.
    """
    angles = -2 * np.pi * (np.outer(np.arange(len(window)), np.arange(size // 2 + 1)) % size) / size
    return window[:, None] * np.cos(angles), window[:, None] * np.sin(angles)

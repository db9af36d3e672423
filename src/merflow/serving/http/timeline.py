"""Emotion over time: a recording as overlapping windows of equal length.

Shapes: n samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.inference.media_clips import Clip, Samples

WINDOW_S, STEP_S = 4.0, 2.0
_PARTS = 480


@dataclass(frozen=True, eq=False)
class Part:
    """A window of a recording."""

    start_s: float
    end_s: float
    clip: Clip


def windows(samples: np.ndarray, *, window_s: float = WINDOW_S, step_s: float = STEP_S) -> Sequence[Part]:
    """Return windows of a recording; the last one ends where it does, and a short recording has none.

    Args:
        samples: ``(n,)`` at 16 kHz.
        window_s: Length of a window.
        step_s: Time from one window to the next.
    """
    size, step = int(window_s * RATE_HZ), int(step_s * RATE_HZ)
    if len(samples) <= size:
        return ()
    starts = [*range(0, len(samples) - size, step), len(samples) - size]
    return tuple(
        Part(
            start / RATE_HZ,
            (start + size) / RATE_HZ,
            Clip(f"{start / RATE_HZ:.2f} s", audio=Samples(samples[start : start + size])),
        )
        for start in starts
    )


def envelope(samples: np.ndarray, *, parts: int = _PARTS) -> list[float]:
    """Return the loudest sample, 0 to 1, of equal parts of a recording.

    Args:
        samples: ``(n,)``.
        parts: Number of parts at most.
    """
    if not len(samples):
        return []
    borders = np.linspace(0, len(samples), min(parts, len(samples)) + 1, dtype=np.int64)[:-1]
    peaks = np.maximum.reduceat(np.abs(samples), borders)
    return [round(float(peak), 4) for peak in np.clip(peaks, 0, 1)]

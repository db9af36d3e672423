"""The outline of a recording for display: lowest and highest sample of equal stretches, in bounded memory.

Stretches start at 10 ms. When there are too many, each pair is merged into one, so that the outline of a long recording
has between half and all of the allowed points.

Shapes: P points.
"""

import numpy as np

from merflow.corpus.samples import RATE_HZ

POINTS = 32_768
_FIRST_STRETCH = RATE_HZ // 100


class Waveform:
    """An outline that grows with its recording."""

    def __init__(self, points: int = POINTS) -> None:
        """Start an outline with at most this many points, an even number."""
        assert points % 2 == 0, points
        self._points = points
        self._stretch = _FIRST_STRETCH
        self._rest = np.zeros(0, dtype=np.float32)
        self._ends = np.zeros((points, 2), dtype=np.float32)
        self._used = 0

    @property
    def stretch_s(self) -> float:
        """Seconds per point."""
        return self._stretch / RATE_HZ

    def add(self, samples: np.ndarray) -> None:
        """Add the next samples, ``(n,)``."""
        waiting = np.concatenate([self._rest, samples])
        while len(waiting) >= self._stretch:
            if self._used == self._points:
                self._halve()
                continue
            n = min(len(waiting) // self._stretch, self._points - self._used)
            whole = waiting[: n * self._stretch].reshape(n, self._stretch)
            self._ends[self._used : self._used + n] = np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1)
            self._used += n
            waiting = waiting[n * self._stretch :]
        self._rest = waiting.copy()

    def outline(self) -> np.ndarray:
        """Return ``(P, 2)`` int8: lowest and highest sample per stretch; the loudest of the recording is 127."""
        ends = self._ends[: self._used]
        if len(self._rest):
            ends = np.concatenate([ends, [[self._rest.min(), self._rest.max()]]])
        loudest = max(float(np.abs(ends).max(initial=0.0)), 1e-9)
        scaled: np.ndarray = np.round(ends / loudest * 127).astype(np.int8)
        return scaled

    def _halve(self) -> None:
        pairs = self._ends.reshape(-1, 2, 2)
        half = self._points // 2
        self._ends[:half] = np.stack([pairs[:, :, 0].min(axis=1), pairs[:, :, 1].max(axis=1)], axis=1)
        self._used, self._stretch = half, 2 * self._stretch

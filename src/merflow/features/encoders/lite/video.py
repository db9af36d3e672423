"""Video features without a neural network: edges of the face and motion, one step per frame.

In IEMOCAP, the heads of both actors are in the upper middle of their half of the frame (x 120 to 270, y 10 to 120 of
360x240). There the directions of edges are counted cell by cell (histograms of oriented gradients, N. Dalal and
B. Triggs, 2005), finely enough for brows and mouth. Differences between consecutive frames are averaged over the same
cells, and, for gestures, over a coarse grid of the whole half.

Shapes: F frames, H rows and W columns of a half, h and w of the head's window, R x C cells, B directions, D = R C B +
R C + 24 columns.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import Field

from merflow.contracts.streams import StreamShape
from merflow.contracts.strict import Strict
from merflow.errors import FeatureError
from merflow.features.encoders.interface import Prepared

# The head's window as shares of the half, and the number of rows that it is shrunk to.
_HEAD_ROWS, _HEAD_COLUMNS = (0.0, 0.5), (0.25, 0.75)
_WINDOW_ROWS = 60
_BODY_GRID = (4, 6)
_BODY_STEP = 4  # stride of the rows and columns of the whole half that are used
_GREY = np.array([77, 150, 29], dtype=np.uint16)  # red, green and blue in ITU-R BT.601 luma, in 256ths
_SMALLEST = 32  # least height and width of a half, in pixels
_FAINT = 4.0  # grey levels per pixel; keeps the noise of an empty cell from looking like edges
_CHUNK = 64  # frames processed at a time, so that they stay in the processor's cache


class LiteVideoSettings(Strict):
    """Settings of ``lite-video``.

    Attributes:
        rows: R, cells down the head's window.
        columns: C, cells across it.
        directions: B, directions of edges between 0 and 180 degrees.
    """

    rows: int = Field(ge=1, le=12)
    columns: int = Field(ge=1, le=18)
    directions: int = Field(ge=2, le=12)


class LiteVideo:
    """Frames of the speaker's half -> ``(F, D)``."""

    def __init__(self, settings: LiteVideoSettings) -> None:
        self._grid = (settings.rows, settings.columns)
        self._directions = settings.directions
        cells = settings.rows * settings.columns
        self.shape = StreamShape(layers=None, width=cells * (settings.directions + 1) + _BODY_GRID[0] * _BODY_GRID[1])

    def prepare(self, source: np.ndarray) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on.

        Args:
            source: ``(F, H, W, 3)`` uint8.

        Raises:
            FeatureError: The frames are too small.
        """
        assert source.dtype == np.uint8
        assert source.ndim == 4
        assert source.shape[3] == 3
        if min(source.shape[1:3]) < _SMALLEST:
            raise FeatureError(
                f"frames have {source.shape[1]} x {source.shape[2]} pixels, expected at least {_SMALLEST} x {_SMALLEST}"
            )
        parts = [self._steps(source, start) for start in range(0, len(source), _CHUNK)]
        return Prepared(np.concatenate(parts), cost=max(1, len(source)))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per utterance."""
        return [prepared.values for prepared in batch]

    def _steps(self, source: np.ndarray, start: int) -> np.ndarray:
        """Return one chunk of steps from ``start`` on; the frame before it serves for the first difference."""
        before = max(0, start - 1)
        frames = source[before : start + _CHUNK]
        head, body = _head(frames), _grey(frames[:, ::_BODY_STEP, ::_BODY_STEP])
        steps = np.hstack(
            [
                edges(head, grid=self._grid, directions=self._directions),
                motion(head, grid=self._grid),
                motion(body, grid=_BODY_GRID),
            ]
        )
        return steps[start - before :]


def edges(grey: np.ndarray, *, grid: tuple[int, int], directions: int) -> np.ndarray:
    """Return the share of nearby edges per cell and direction: ``(F, h, w)`` uint8 -> ``(F, R C B)`` float32.

    An edge counts by its strength, shared between the two nearest directions. Taking square roots of the shares keeps
    the strongest edges, of hair and shirt, from drowning the rest.
    """
    frames = len(grey)
    levels = grey.astype(np.int32)
    across = levels[:, 1:-1, 2:] - levels[:, 1:-1, :-2]
    down = levels[:, 2:, 1:-1] - levels[:, :-2, 1:-1]
    entry = (across + 255) * 511 + (down + 255)  # (F, h - 2, w - 2)
    lower, weight_lower, weight_upper = _directions(directions)
    first = lower[entry]
    cells = np.arange(frames)[:, None, None] * (grid[0] * grid[1]) + _cells(first.shape[1:], grid)
    first_bin = cells * directions
    size = frames * grid[0] * grid[1] * directions
    counts = np.bincount((first_bin + first).ravel(), weight_lower[entry].ravel(), size)
    counts += np.bincount((first_bin + (first + 1) % directions).ravel(), weight_upper[entry].ravel(), size)
    histograms = counts.reshape(frames, *grid, directions)
    strength = _neighbourhood(histograms.sum(axis=3))
    pixels = first[0].size / (grid[0] * grid[1])
    shares = histograms / (strength + _FAINT * pixels)[..., None]
    return np.asarray(np.sqrt(shares).reshape(frames, -1), dtype=np.float32)


def motion(grey: np.ndarray, *, grid: tuple[int, int]) -> np.ndarray:
    """Return the root of the mean absolute difference to the previous frame, ``(F, R C)`` float32; 0 for the first."""
    frames, cells = len(grey), grid[0] * grid[1]
    change = np.abs(np.diff(grey.astype(np.int16), axis=0, prepend=grey[:1]))
    of_pixel = _cells(grey.shape[1:], grid)
    cell_of_frame = np.arange(frames)[:, None, None] * cells + of_pixel
    sums = np.bincount(cell_of_frame.ravel(), change.ravel(), frames * cells).reshape(frames, cells)
    return np.sqrt(sums / np.bincount(of_pixel.ravel(), minlength=cells)).astype(np.float32)


def _head(frames: np.ndarray) -> np.ndarray:
    """Return the head's window in grey, shrunk by an integer factor to about 60 rows: ``(F, h, w)`` uint8."""
    height, width = frames.shape[1:3]
    top, bottom = (round(share * height) for share in _HEAD_ROWS)
    left, right = (round(share * width) for share in _HEAD_COLUMNS)
    return _shrink(_grey(frames[:, top:bottom, left:right]), max(1, (bottom - top) // _WINDOW_ROWS))


def _grey(frames: np.ndarray) -> np.ndarray:
    red, green, blue = (frames[..., channel] * weight for channel, weight in enumerate(_GREY))
    return np.asarray((red + green + blue) >> 8, dtype=np.uint8)


def _shrink(grey: np.ndarray, factor: int) -> np.ndarray:
    """Average squares of ``factor`` by ``factor`` pixels; incomplete squares at the far edges are left out."""
    rows, columns = (size // factor for size in grey.shape[1:])
    sums = np.zeros((len(grey), rows, columns), dtype=np.uint32)
    for down in range(factor):
        for across in range(factor):
            sums += grey[:, down : rows * factor : factor, across : columns * factor : factor]
    return (sums // factor**2).astype(np.uint8)


def _neighbourhood(cells: np.ndarray) -> np.ndarray:
    """Average each cell with the cells around it, ``(F, R, C)``; the border is repeated outwards."""
    padded = np.pad(cells, ((0, 0), (1, 1), (1, 1)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.asarray(windows.mean(axis=(3, 4)))


def _cells(shape: tuple[int, ...], grid: tuple[int, int]) -> np.ndarray:
    """Return the cell of every pixel of a picture, counted row by row."""
    rows, columns = (np.arange(size) * cells // size for size, cells in zip(shape, grid, strict=True))
    return np.asarray(rows[:, None] * grid[1] + columns)


@lru_cache(maxsize=4)
def _directions(directions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three tables: the nearest direction below an edge's own, its weight, and the weight of the one above.

    Entry ``(across + 255) * 511 + down + 255`` belongs to the differences ``across`` and ``down``. The weights add up
    to the edge's strength.
    """
    across, down = np.mgrid[-255:256, -255:256]
    turn = np.arctan2(down, across) / np.pi * directions % directions
    lower = np.floor(turn).astype(np.int64)
    strength = np.hypot(across, down)
    upper_share = turn - lower
    tables = (lower % directions, strength * (1 - upper_share), strength * upper_share)
    return tables[0].ravel(), tables[1].ravel(), tables[2].ravel()

"""Video features without a network: edges of the face and how much the picture moves, one step a frame.

The upper middle of a half is where both actors' heads are in IEMOCAP (x 120 to 270, y 10 to 120 of 360x240); there the
directions of edges are counted cell by cell (histograms of oriented gradients, N. Dalal and B. Triggs, 2005), finely
enough for brows and mouth. Differences between neighbouring frames are averaged over the same cells, and over a coarse
grid of the whole half for gestures.

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
from merflow.features.encoders.prepared import Prepared

# The head's window as shares of the half, and the rows to which it is shrunk.
_HEAD_ROWS, _HEAD_COLUMNS = (0.0, 0.5), (0.25, 0.75)
_WINDOW_ROWS = 60
_BODY_GRID = (4, 6)
_BODY_STEP = 4  # of the whole half, every so many rows and columns are looked at
_GREY = np.array([77, 150, 29], dtype=np.uint16)  # 256ths of red, green and blue in ITU-R BT.601 luma
_SMALLEST = 32  # pixels of a half
_FAINT = 4.0  # grey levels a pixel; keeps the noise of an empty cell from looking like edges
_CHUNK = 64  # frames worked on at a time, so that they stay in the processor's cache


class LiteVideoSettings(Strict):
    """Settings of ``lite-video``.

    Attributes:
        rows: R, cells from the top of the head's window to its bottom.
        columns: C, cells across.
        directions: B, of edges between 0 and 180 degrees.
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
        """The whole work.

        Args:
            source: ``(F, H, W, 3)`` uint8.

        Raises:
            FeatureError: The frames are too small to show a face.
        """
        assert source.dtype == np.uint8
        assert source.ndim == 4
        assert source.shape[3] == 3
        if min(source.shape[1:3]) < _SMALLEST:
            raise FeatureError(
                f"frames have {source.shape[1]} x {source.shape[2]} pixels, at least {_SMALLEST} are needed"
            )
        parts = [self._steps(source, start) for start in range(0, len(source), _CHUNK)]
        return Prepared(np.concatenate(parts), cost=max(1, len(source)))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """What was prepared, one float32 array an utterance."""
        return [prepared.values for prepared in batch]

    def _steps(self, source: np.ndarray, start: int) -> np.ndarray:
        """Steps ``start`` and following; the frame before them is there for the first difference."""
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
    """How much of the edges near a cell are in it and have a direction: ``(F, h, w)`` uint8 -> ``(F, R C B)`` float32.

    An edge counts by its strength, shared between the two nearest directions. Square roots of shares: the strongest
    edges, of hair and shirt, must not drown the rest.
    """
    frames = len(grey)
    levels = grey.astype(np.int32)
    across = levels[:, 1:-1, 2:] - levels[:, 1:-1, :-2]
    down = levels[:, 2:, 1:-1] - levels[:, :-2, 1:-1]
    entry = (across + 255) * 511 + (down + 255)  # (F, h - 2, w - 2)
    lower, weight_lower, weight_upper = _directions(directions)
    first = lower[entry]
    cells = np.arange(frames)[:, None, None] * (grid[0] * grid[1]) + _cells(first.shape[1:], grid)
    place = cells * directions
    size = frames * grid[0] * grid[1] * directions
    counts = np.bincount((place + first).ravel(), weight_lower[entry].ravel(), size)
    counts += np.bincount((place + (first + 1) % directions).ravel(), weight_upper[entry].ravel(), size)
    histograms = counts.reshape(frames, *grid, directions)
    strength = _neighbourhood(histograms.sum(axis=3))
    pixels = first[0].size / (grid[0] * grid[1])
    shares = histograms / (strength + _FAINT * pixels)[..., None]
    return np.asarray(np.sqrt(shares).reshape(frames, -1), dtype=np.float32)


def motion(grey: np.ndarray, *, grid: tuple[int, int]) -> np.ndarray:
    """Root of the mean absolute difference to the frame before, ``(F, R C)`` float32; 0 for the first frame."""
    frames, cells = len(grey), grid[0] * grid[1]
    change = np.abs(np.diff(grey.astype(np.int16), axis=0, prepend=grey[:1]))
    of_pixel = _cells(grey.shape[1:], grid)
    place = np.arange(frames)[:, None, None] * cells + of_pixel
    sums = np.bincount(place.ravel(), change.ravel(), frames * cells).reshape(frames, cells)
    return np.sqrt(sums / np.bincount(of_pixel.ravel(), minlength=cells)).astype(np.float32)


def _head(frames: np.ndarray) -> np.ndarray:
    """The head's window in grey, shrunk by a whole factor to about 60 rows: ``(F, h, w)`` uint8."""
    height, width = frames.shape[1:3]
    top, bottom = (round(share * height) for share in _HEAD_ROWS)
    left, right = (round(share * width) for share in _HEAD_COLUMNS)
    return _shrink(_grey(frames[:, top:bottom, left:right]), max(1, (bottom - top) // _WINDOW_ROWS))


def _grey(frames: np.ndarray) -> np.ndarray:
    red, green, blue = (frames[..., channel] * weight for channel, weight in enumerate(_GREY))
    return np.asarray((red + green + blue) >> 8, dtype=np.uint8)


def _shrink(grey: np.ndarray, factor: int) -> np.ndarray:
    """Means of squares of ``factor`` by ``factor`` pixels; what does not fill a square at the far edges is left out."""
    rows, columns = (size // factor for size in grey.shape[1:])
    sums = np.zeros((len(grey), rows, columns), dtype=np.uint32)
    for down in range(factor):
        for across in range(factor):
            sums += grey[:, down : rows * factor : factor, across : columns * factor : factor]
    return (sums // factor**2).astype(np.uint8)


def _neighbourhood(cells: np.ndarray) -> np.ndarray:
    """Mean of a cell and those around it, ``(F, R, C)``; those beyond the edge are as the edge."""
    padded = np.pad(cells, ((0, 0), (1, 1), (1, 1)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.asarray(windows.mean(axis=(3, 4)))


def _cells(shape: tuple[int, ...], grid: tuple[int, int]) -> np.ndarray:
    """The cell of every pixel of a picture, counted row by row."""
    rows, columns = (np.arange(size) * cells // size for size, cells in zip(shape, grid, strict=True))
    return np.asarray(rows[:, None] * grid[1] + columns)


@lru_cache(maxsize=4)
def _directions(directions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest direction below an edge's own, its weight, and the weight of the direction above.

    Entry ``(across + 255) * 511 + down + 255`` is for these differences; the weights add up to the edge's strength.
    """
    across, down = np.mgrid[-255:256, -255:256]
    turn = np.arctan2(down, across) / np.pi * directions % directions
    lower = np.floor(turn).astype(np.int64)
    strength = np.hypot(across, down)
    upper_share = turn - lower
    tables = (lower % directions, strength * (1 - upper_share), strength * upper_share)
    return tables[0].ravel(), tables[1].ravel(), tables[2].ravel()

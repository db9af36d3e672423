"""One picture of a film, of which only the required part is converted to RGB.

The frame is cropped before the conversion: cropping moves a few pointers, whereas converting a whole frame costs ten
times its decoding.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from merflow.errors import FeatureError

# Rows of the picture between the letterbox bars, as shares of the frame's height: 120 to 360 of 480.
_BAND = (Fraction(1, 4), Fraction(3, 4))


def half_of(side: str | None, *, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the part of a frame that shows one actor as x, y, width, height in pixels; all of it if ``side`` is None.

    The numbers are even, because colour is stored per pair of rows and columns.
    """
    if side is None:
        return 0, 0, width, height
    assert side in ("left", "right"), side
    middle = width // 4 * 2
    top, bottom = (round(height * share / 2) * 2 for share in _BAND)
    return (0, top, middle, bottom - top) if side == "left" else (middle, top, width - middle, bottom - top)


class Damage(Exception):  # noqa: N818 - a fault of a file, which the caller reports for each utterance
    """The reason why a film cannot be opened or read any further."""


class Picture:
    """One frame of a film.

    Attributes:
        index: Number of the frame, counted from 0 at the film's start.
    """

    def __init__(self, index: int, frame: Any, cutters: dict[tuple[Any, ...], "Cutter"]) -> None:  # noqa: ANN401
        self.index = index
        self._frame = frame
        self._cutters = cutters
        self._halves: dict[str | None, np.ndarray] = {}

    def half(self, side: str | None) -> np.ndarray:
        """Return a half as ``(H, W, 3)`` uint8 RGB; it is converted once, however many utterances need it.

        Raises:
            Damage: The frame cannot be converted.
        """
        if side not in self._halves:
            frame = self._frame
            key = (side, frame.width, frame.height, frame.format.name)
            if key not in self._cutters:
                self._cutters[key] = Cutter(frame, half_of(side, width=frame.width, height=frame.height))
            self._halves[side] = self._cutters[key].cut(frame)
        return self._halves[side]


class Cutter:
    """A filter that crops frames to one part and converts it to RGB."""

    def __init__(self, frame: Any, part: tuple[int, int, int, int]) -> None:  # noqa: ANN401 - av has no types
        x, y, width, height = part
        self._graph = library().filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        steps = [
            self._graph.add("crop", f"{width}:{height}:{x}:{y}"),
            self._graph.add("format", "rgb24"),
            self._graph.add("buffersink"),
        ]
        for step in steps:
            source.link_to(step)
            source = step
        self._graph.configure()

    def cut(self, frame: Any) -> np.ndarray:  # noqa: ANN401 - av has no types
        """Return the frame's part as ``(H, W, 3)`` uint8 RGB.

        Raises:
            Damage: The frame cannot be converted.
        """
        try:
            self._graph.push(frame)
            part: np.ndarray = self._graph.pull().to_ndarray()
        except library().FFmpegError as error:
            raise Damage(f"its pictures ({frame.format.name}) cannot be converted: {error.strerror}") from error
        return part


def library() -> Any:  # noqa: ANN401 - av has no types
    """Import and return PyAV.

    Raises:
        FeatureError: PyAV is not installed.
    """
    try:
        import av
        import av.filter
    except ImportError:
        raise FeatureError("reading video needs PyAV; install merflow[video]") from None
    return av

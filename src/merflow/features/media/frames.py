"""One picture of a film, of which only the wanted part becomes RGB.

Cutting comes before the conversion: it moves a few pointers, while converting the whole frame costs ten times its
decoding.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from merflow.errors import FeatureError

# Rows of the picture between the black bars, as shares of the frame's height: 120 to 360 of 480.
_BAND = (Fraction(1, 4), Fraction(3, 4))


def half_of(side: str | None, *, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a frame that shows one actor, as x, y, width, height in pixels; the whole frame where side is None.

    Even numbers, because colour is stored for pairs of rows and columns.
    """
    if side is None:
        return 0, 0, width, height
    assert side in ("left", "right"), side
    middle = width // 4 * 2
    top, bottom = (round(height * share / 2) * 2 for share in _BAND)
    return (0, top, middle, bottom - top) if side == "left" else (middle, top, width - middle, bottom - top)


class Damage(Exception):  # noqa: N818 - a fault of a file, which the caller words for each utterance
    """Why a film cannot be opened, or not be read any further."""


class Picture:
    """One frame of a film.

    Attributes:
        index: Counted from 0 at the film's start.
    """

    def __init__(self, index: int, frame: Any, cutters: dict[tuple[Any, ...], "Cutter"]) -> None:  # noqa: ANN401
        self.index = index
        self._frame = frame
        self._cutters = cutters
        self._halves: dict[str | None, np.ndarray] = {}

    def half(self, side: str | None) -> np.ndarray:
        """``(H, W, 3)`` uint8 RGB; converted once however many utterances need it.

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
    """A part of every frame as RGB."""

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
        """The frame's part, ``(H, W, 3)`` uint8 RGB.

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
    """PyAV.

    Raises:
        FeatureError: It is not installed.
    """
    try:
        import av
        import av.filter
    except ImportError:
        raise FeatureError("reading video needs PyAV; install merflow[video]") from None
    return av

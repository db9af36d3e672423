"""A video file as a sequence of numbered pictures, of which only the wanted parts become RGB.

Cutting comes before the conversion: it moves a few pointers, while converting the whole frame costs ten times its
decoding.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from merflow.contracts.errors import FeatureError

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


class Film:
    """An open video file.

    Attributes:
        path: Where it is.
        rate: Frames a second, as the container says.
        told_frames: How many its header promises; 0 where it does not say.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file and reads its header.

        Raises:
            Damage: There is no such file, it is no video, or it does not tell its rate.
            FeatureError: PyAV is not installed.
        """
        self.path = path
        self._open()
        self._origin = self._first_time()
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            raise Damage("its container tells no frame rate")
        self.rate = Fraction(rate)
        self.told_frames = int(self._stream.frames)
        self._cutters: dict[tuple[Any, ...], _Cutter] = {}

    def pictures(self, *, first: int) -> Iterator["Picture"]:
        """Pictures in order, from the key frame at or before index ``first`` to the end.

        Raises:
            Damage: What follows cannot be decoded, or its times cannot be trusted.
        """
        import av

        sound = False  # pictures before the first whole key frame may lack what they refer to
        try:
            for index, frame in self._from(first):
                if sound and frame.is_corrupt:
                    # An AVI counts its frames, so that every time after a lost piece is wrong.
                    raise Damage(f"it is damaged at frame {index} ({float(index / self.rate):.3f} s)")
                sound = sound or (frame.key_frame and not frame.is_corrupt)
                yield Picture(index, frame, self._cutters)
        except av.FFmpegError as error:
            raise Damage(f"it cannot be decoded: {error.strerror}") from error

    def _from(self, first: int) -> Iterator[tuple[int, Any]]:
        """Numbered frames from the last key frame that is not after ``first``."""
        import av

        if first > 0:
            time = self._origin + int(first / self.rate / self._stream.time_base)
            frames = self._numbered()
            try:
                self._container.seek(time, stream=self._stream)
                index, frame = next(frames)
            except (av.FFmpegError, StopIteration):
                index, frame = first + 1, None
            if index <= first:
                yield index, frame
                yield from frames
                return
        # From the start, also where seeking goes too far, as it may without an index of key frames.
        self._container.close()
        self._open()
        yield from self._numbered()

    def _numbered(self) -> Iterator[tuple[int, Any]]:
        """Every frame from where the container is; time 0 is that of the file's first picture.

        An AVI has no display times: where pictures are stored out of order, all of them seem late by the reordering.
        """
        index = -1
        frames = Fraction(self._stream.time_base) * self.rate  # in a unit of the container's time
        whole, unit = frames.numerator, frames.denominator
        for frame in self._frames():
            if frame.pts is None:
                index += 1
            else:
                # To the nearest, in whole numbers: fractions would take a tenth of the decoding's time.
                index = (2 * (frame.pts - self._origin) * whole + unit) // (2 * unit)
            yield index, frame

    def _frames(self) -> Iterator[Any]:
        """Every frame from where the container is.

        A container that has lost a piece goes on behind it and counts on, as an AVI does; where it keeps an index, that
        tells where each frame lies.

        Raises:
            Damage: A frame lies elsewhere than the index says.
        """
        places = {entry.timestamp: entry.pos for entry in self._stream.index_entries}
        before = None  # bytes from a frame's place in the index to its own, the same for all frames of a container
        for packet in self._container.demux(self._stream):
            place = places.get(packet.dts)
            if packet.size and packet.pos is not None and place is not None:
                before = packet.pos - place if before is None else before
                if packet.pos - place != before:
                    yield from self._stream.codec_context.decode(None)
                    index = round((packet.dts - self._origin) * self._stream.time_base * self.rate)
                    raise Damage(f"it is damaged at frame {index} ({float(index / self.rate):.3f} s)")
            yield from packet.decode()

    def _open(self) -> None:
        av = _library()
        if not self.path.is_file():
            raise Damage("no such file")
        try:
            self._container = av.open(str(self.path))
        except (av.FFmpegError, OSError) as error:
            raise Damage(f"it is no readable video: {error.strerror}") from error
        if not self._container.streams.video:
            held = ", ".join(sorted({stream.type for stream in self._container.streams})) or "nothing"
            self._container.close()
            raise Damage(f"it has no video stream, only {held}")
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1  # worker processes share the cores already

    def _first_time(self) -> int:
        """When the first picture is shown, in the stream's time base."""
        import av

        try:
            frame = next(self._container.decode(self._stream), None)
        except av.FFmpegError as error:
            raise Damage(f"it cannot be decoded: {error.strerror}") from error
        if frame is None:
            raise Damage("no frame of it can be decoded")
        return int(frame.pts or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()


class Picture:
    """One frame of a film.

    Attributes:
        index: Counted from 0 at the film's start.
    """

    def __init__(self, index: int, frame: Any, cutters: dict[tuple[Any, ...], "_Cutter"]) -> None:  # noqa: ANN401
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
                self._cutters[key] = _Cutter(frame, half_of(side, width=frame.width, height=frame.height))
            self._halves[side] = self._cutters[key].cut(frame)
        return self._halves[side]


class _Cutter:
    """A part of every frame as RGB."""

    def __init__(self, frame: Any, part: tuple[int, int, int, int]) -> None:  # noqa: ANN401 - av has no types
        x, y, width, height = part
        self._graph = _library().filter.Graph()
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
        try:
            self._graph.push(frame)
            part: np.ndarray = self._graph.pull().to_ndarray()
        except _library().FFmpegError as error:
            raise Damage(f"its pictures ({frame.format.name}) cannot be converted: {error.strerror}") from error
        return part


def _library() -> Any:  # noqa: ANN401 - av has no types
    try:
        import av
        import av.filter
    except ImportError:
        raise FeatureError("reading video needs PyAV; install merflow[video]") from None
    return av

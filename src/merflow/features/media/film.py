"""A video file as a sequence of numbered pictures.

An AVI has no times, so its frames are counted in the order of its chunks. A missing piece would shift the number of
every later frame; see :mod:`merflow.features.media.avi_chunks`.
"""

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from merflow.features.media.avi_chunks import WithoutIndex, chunks_of
from merflow.features.media.frames import Cutter, Damage, Picture, library

_log = logging.getLogger(__name__)

# A decoder that started in the middle of a film drops frames within this many packets, or not at all.
_SETTLED = 16


class _DroppedFrames(Exception):  # noqa: N818 - no fault, but a reason to start again
    """A decoder that started in the middle of a film drops frames."""


class Film:
    """An open video file.

    Attributes:
        path: The file.
        rate: Frames per second, from the container.
        header_frames: Number of frames that its header gives; 0 if it gives none.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read its header.

        Raises:
            Damage: The file is missing, is not a video, or has no frame rate.
            FeatureError: PyAV is not installed.
        """
        self.path = path
        self._warned = False
        self._masked: tuple[int, ...] = ()  # byte offsets of indexes that must not be followed
        self._complete = False  # True if no frame is missing
        self._until: int | None = None  # byte offset after which frames are missing, if that is known
        self._open()
        # An AVI has no times: a frame is shown when its turn comes, even if frames are stored out of order.
        self._counted = self._container.format.name == "avi"
        if self._counted:
            self._examine()
        self._origin = self._first_time()
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            raise Damage("its container has no frame rate")
        self.rate = Fraction(rate)
        self.header_frames = int(self._stream.frames)
        self._cutters: dict[tuple[Any, ...], Cutter] = {}

    def pictures(self, *, first: int) -> Iterator[Picture]:
        """Yield the pictures in order, from the key frame at or before index ``first`` to the end.

        If no frame is missing, a frame that cannot be decoded without errors is skipped, or used as the decoder repairs
        it, with a warning; the times of the other frames are correct.

        Raises:
            Damage: The rest cannot be decoded, or its times cannot be trusted.
        """
        import av

        begun = sound = False  # pictures before the first undamaged key frame may refer to missing ones
        try:
            for index, frame in self._from(first):
                begun = begun or frame.key_frame
                if self._counted and not begun:
                    continue
                if sound and frame.is_corrupt:
                    if not self._complete:
                        raise Damage(f"it is damaged at {self._named(index)}")
                    self._warn(f"{self._named(index)} has errors, which the decoder repairs")
                sound = sound or (frame.key_frame and not frame.is_corrupt)
                yield Picture(index, frame, self._cutters)
        except av.FFmpegError as error:
            raise Damage(f"it cannot be decoded: {error.strerror}") from error

    def _from(self, first: int) -> Iterator[tuple[int, Any]]:
        """Yield numbered frames from the last key frame at or before ``first``."""
        import av

        last = -1
        if first > 0:
            frames = self._numbered(self._packets(first), from_middle=True)
            try:
                index, frame = next(frames)
            except (av.FFmpegError, StopIteration, _DroppedFrames):
                index, frame = first + 1, None
            if index <= first and (frame.key_frame or not self._counted):
                yield index, frame
                try:
                    for last, frame in frames:
                        yield last, frame
                except _DroppedFrames:
                    last = max(index, last)
                else:
                    return
        # Start again if seeking goes too far, as it may without an index of key frames, or if the index marks frames as
        # key frames that are none.
        self._reopen()
        for index, frame in self._numbered(self._container.demux(self._stream)):
            if index > last:
                yield index, frame

    def _packets(self, first: int) -> Iterator[Any]:
        """Yield packets as they are stored, from the last key frame at or before index ``first``."""
        time = int(first / self.rate / self._stream.time_base)
        if not self._counted:
            self._container.seek(self._origin + time, stream=self._stream)
            yield from self._container.demux(self._stream)
            return
        # Counting must begin at the start, because an index may lack frames.
        self._reopen()
        since: list[Any] = []
        for packet in self._container.demux(self._stream):
            if packet.dts is not None and packet.dts <= time and not self._is_behind_damage(packet):
                if packet.is_keyframe:
                    since.clear()
                since.append(packet)
                continue
            yield from since
            since.clear()
            yield packet

    def _numbered(self, packets: Iterable[Any], *, from_middle: bool = False) -> Iterator[tuple[int, Any]]:
        """Yield every frame of the packets with its number; number 0 is the file's first picture.

        Raises:
            _DroppedFrames: See :meth:`_decoded`.
        """
        index = -1
        frames = Fraction(self._stream.time_base) * self.rate  # per unit of the container's time
        whole, unit = frames.numerator, frames.denominator
        for time, frame in self._decoded(packets, from_middle=from_middle):
            if time is None:
                index += 1
            else:
                # Rounded in integers: fractions would take a tenth of the decoding time.
                index = (2 * (time - self._origin) * whole + unit) // (2 * unit)
            yield index, frame

    def _decoded(self, packets: Iterable[Any], *, from_middle: bool) -> Iterator[tuple[int | None, Any]]:
        """Yield every frame of the packets with its time.

        In an AVI, that is the time of the packet with which the frame leaves the decoder. PyAV's own time is wrong if
        two frames share a chunk, as DivX and Xvid pack frames that refer to later ones.

        Raises:
            Damage: A piece of the file is missing.
            _DroppedFrames: The packets start in the middle of the film, and the decoder drops frames that it would show
                from the start. It drops interlaced frames that refer to later ones after some key frames.
        """
        import av

        flowing = 0  # packets since the decoder returned its first frame
        for packet in packets:
            if self._is_behind_damage(packet):
                raise Damage(f"it is damaged at {self._named(self._number(packet))}")
            try:
                decoded = packet.decode()
            except av.FFmpegError as error:
                if not self._complete:
                    raise
                if flowing:
                    self._warn(f"{self._named(self._number(packet))} cannot be decoded ({error.strerror})")
                continue
            flowing += bool(decoded or flowing)
            if from_middle and self._counted and packet.size and not decoded and 0 < flowing < _SETTLED:
                raise _DroppedFrames
            time = packet.dts
            for frame in decoded:
                yield (time if self._counted else frame.pts), frame
                time = None  # of another frame of the packet

    def _examine(self) -> None:
        """Check whether an AVI lacks a piece and whether its index may be followed."""
        chunks = chunks_of(self.path, stream=self._stream.index)
        index = self._stream.index_entries
        self._complete = chunks.broken is None
        if chunks.indexes and (chunks.broken or {entry.pos for entry in index} != set(chunks.frames)):
            self._masked = chunks.indexes
        if chunks.broken:
            indexed = index[-1].timestamp + 1 if len(index) else 0
            promised = int(self._stream.frames)
            self._reopen()
            readable, end = self._count_readable()
            if end < chunks.broken.end:  # only the data after the film is odd
                self._complete = True
            elif chunks.broken.short or readable < (indexed if indexed >= readable else promised):
                self._until = chunks.broken.last
            else:
                where = f"at byte {chunks.broken.end}"
                self._warn(
                    f"no chunk is {where}, but none of {readable} frames ({promised} by the header) seems missing"
                )
        if chunks.broken or self._masked:
            self._reopen()

    def _count_readable(self) -> tuple[int, int]:
        """Count the frames that can be read, repeated ones included; return also the byte offset of the last."""
        time, offset = -1, 0
        for packet in self._container.demux(self._stream):
            if packet.size and packet.dts is not None and packet.pos is not None:
                time, offset = packet.dts, max(offset, packet.pos)
        return time + 1, offset

    def _is_behind_damage(self, packet: Any) -> bool:  # noqa: ANN401 - av has no types
        return self._until is not None and packet.pos is not None and packet.pos > self._until

    def _number(self, packet: Any) -> int:  # noqa: ANN401 - av has no types
        number: int = round((packet.dts - self._origin) * self._stream.time_base * self.rate)
        return max(0, number)

    def _named(self, index: int) -> str:
        return f"frame {index} ({float(index / self.rate):.3f} s)"

    def _warn(self, problem: str) -> None:
        """Log a warning, only one per film, as every frame may have the same fault."""
        if not self._warned:
            _log.warning("video %s: %s; reading continues", self.path, problem)
            self._warned = True

    def _reopen(self) -> None:
        self._close()
        self._open()

    def _close(self) -> None:
        self._container.close()
        if self._source:
            self._source.close()

    def _open(self) -> None:
        av = library()
        if not self.path.is_file():
            raise Damage("no such file")
        try:
            self._source = WithoutIndex(self.path, indexes=self._masked) if self._masked else None
            self._container = av.open(self._source or str(self.path))
        except (av.FFmpegError, OSError) as error:
            raise Damage(f"it cannot be read as a video: {error.strerror}") from error
        if not self._container.streams.video:
            others = ", ".join(sorted({stream.type for stream in self._container.streams})) or "nothing"
            self._close()
            raise Damage(f"it has no video stream, only {others}")
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1  # worker processes share the cores already

    def _first_time(self) -> int:
        """Return the time of the first picture, in the stream's time base.

        An AVI's first frames may be undecodable because they refer to a frame that was cut off; they keep their times.
        """
        import av

        times: list[int] = []
        cause: str | None = None
        for packet in self._container.demux(self._stream):
            if packet.dts is not None and packet.size:
                times.append(packet.dts)
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                cause, frames = cause or error.strerror, []
                if not self._counted:
                    break
            if frames and not self._counted:
                return int(frames[0].pts or 0)
            if frames:
                late = int(self._stream.codec_context.has_b_frames)  # 1 if frames are stored out of order
                return times[-1 if frames[0].key_frame and not cause else min(late, len(times) - 1)]
        raise Damage(f"it cannot be decoded: {cause}" if cause else "no frame of it can be decoded")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

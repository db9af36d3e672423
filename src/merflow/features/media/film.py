"""A video file as a sequence of numbered pictures.

An AVI has no times. Its frames are counted instead, in the order of its chunks, so that a piece that is missing would
make every later frame another one; see :mod:`merflow.features.media.avi_chunks`.
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

# Packets after which a decoder that leaves out no frame will leave out none for having begun amid the film.
_SETTLED = 16


class _LeftOut(Exception):  # noqa: N818 - no fault, but a reason to begin again
    """A decoder that began amid a film leaves frames out."""


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
        self._warned = False
        self._masked: tuple[int, ...] = ()  # places of indexes that are not to be followed
        self._certain = False  # whether no frame is missing
        self._until: int | None = None  # the place in the file behind which frames are missing, where that is known
        self._open()
        # An AVI has no times: a frame is shown when its turn comes, also where frames are stored out of order.
        self._counted = self._container.format.name == "avi"
        if self._counted:
            self._examine()
        self._origin = self._first_time()
        rate = self._stream.average_rate or self._stream.guessed_rate
        if not rate:
            raise Damage("its container tells no frame rate")
        self.rate = Fraction(rate)
        self.told_frames = int(self._stream.frames)
        self._cutters: dict[tuple[Any, ...], Cutter] = {}

    def pictures(self, *, first: int) -> Iterator[Picture]:
        """Pictures in order, from the key frame at or before index ``first`` to the end.

        Where no frame is missing, those that cannot be decoded without fault are passed over or taken as the decoder
        mends them, with a warning: the times of the others are right.

        Raises:
            Damage: What follows cannot be decoded, or its times cannot be trusted.
        """
        import av

        begun = sound = False  # pictures before the first whole key frame may lack what they refer to
        try:
            for index, frame in self._from(first):
                begun = begun or frame.key_frame
                if self._counted and not begun:
                    continue
                if sound and frame.is_corrupt:
                    if not self._certain:
                        raise Damage(f"it is damaged at {self._named(index)}")
                    self._warn(f"{self._named(index)} has faults, which the decoder mends")
                sound = sound or (frame.key_frame and not frame.is_corrupt)
                yield Picture(index, frame, self._cutters)
        except av.FFmpegError as error:
            raise Damage(f"it cannot be decoded: {error.strerror}") from error

    def _from(self, first: int) -> Iterator[tuple[int, Any]]:
        """Numbered frames from the last key frame that is not after ``first``."""
        import av

        last = -1
        if first > 0:
            frames = self._numbered(self._packets(first), amid=True)
            try:
                index, frame = next(frames)
            except (av.FFmpegError, StopIteration, _LeftOut):
                index, frame = first + 1, None
            if index <= first and (frame.key_frame or not self._counted):
                yield index, frame
                try:
                    for last, frame in frames:
                        yield last, frame
                except _LeftOut:
                    last = max(index, last)
                else:
                    return
        # From the start, also where seeking goes too far, as it may without an index of key frames, or where the frames
        # that the index calls key frames are none.
        self._reopen()
        for index, frame in self._numbered(self._container.demux(self._stream)):
            if index > last:
                yield index, frame

    def _packets(self, first: int) -> Iterator[Any]:
        """Frames as they are stored, from the last key frame that is not after index ``first``."""
        time = int(first / self.rate / self._stream.time_base)
        if not self._counted:
            self._container.seek(self._origin + time, stream=self._stream)
            yield from self._container.demux(self._stream)
            return
        # Counting has to begin at the start: an index may lack frames.
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

    def _numbered(self, packets: Iterable[Any], *, amid: bool = False) -> Iterator[tuple[int, Any]]:
        """Every frame of the packets; time 0 is that of the file's first picture.

        Raises:
            _LeftOut: As :meth:`_decoded` does.
        """
        index = -1
        frames = Fraction(self._stream.time_base) * self.rate  # in a unit of the container's time
        whole, unit = frames.numerator, frames.denominator
        for time, frame in self._decoded(packets, amid=amid):
            if time is None:
                index += 1
            else:
                # To the nearest, in whole numbers: fractions would take a tenth of the decoding's time.
                index = (2 * (time - self._origin) * whole + unit) // (2 * unit)
            yield index, frame

    def _decoded(self, packets: Iterable[Any], *, amid: bool) -> Iterator[tuple[int | None, Any]]:
        """Every frame of the packets and its time.

        In an AVI that is the time of the packet with which the frame comes out of the decoder. PyAV's own is wrong
        where two frames are packed into one chunk, as DivX and Xvid do with frames that refer to later ones.

        Raises:
            Damage: A piece of the file is missing.
            _LeftOut: The packets are from amid the film, and the decoder leaves out what it would show had it begun at
                the start. It does so with interlaced frames that refer to later ones, behind some key frames.
        """
        import av

        flowing = 0  # packets since the first frame came out
        for packet in packets:
            if self._is_behind_damage(packet):
                raise Damage(f"it is damaged at {self._named(self._number(packet))}")
            try:
                found = packet.decode()
            except av.FFmpegError as error:
                if not self._certain:
                    raise
                if flowing:
                    self._warn(f"{self._named(self._number(packet))} cannot be decoded ({error.strerror})")
                continue
            flowing += bool(found or flowing)
            if amid and self._counted and packet.size and not found and 0 < flowing < _SETTLED:
                raise _LeftOut
            time = packet.dts
            for frame in found:
                yield (time if self._counted else frame.pts), frame
                time = None  # of a further frame

    def _examine(self) -> None:
        """Finds out whether an AVI has lost a piece, and whether its index may be followed."""
        chunks = chunks_of(self.path, stream=self._stream.index)
        index = self._stream.index_entries
        self._certain = chunks.broken is None
        if chunks.indexes and (chunks.broken or {entry.pos for entry in index} != set(chunks.frames)):
            self._masked = chunks.indexes
        if chunks.broken:
            indexed = index[-1].timestamp + 1 if len(index) else 0
            told = int(self._stream.frames)
            self._reopen()
            held, end = self._held()
            if end < chunks.broken.end:  # only what follows the film is odd
                self._certain = True
            elif chunks.broken.short or held < (indexed if indexed >= held else told):
                self._until = chunks.broken.last
            else:
                where = f"at byte {chunks.broken.end}"
                self._warn(f"no chunk is {where}, though of {held} frames ({told} by the header) none seems missing")
        if chunks.broken or self._masked:
            self._reopen()

    def _held(self) -> tuple[int, int]:
        """How many frames can be read, with those that are left out and repeat the one before; and the last's place."""
        time, place = -1, 0
        for packet in self._container.demux(self._stream):
            if packet.size and packet.dts is not None and packet.pos is not None:
                time, place = packet.dts, max(place, packet.pos)
        return time + 1, place

    def _is_behind_damage(self, packet: Any) -> bool:  # noqa: ANN401 - av has no types
        return self._until is not None and packet.pos is not None and packet.pos > self._until

    def _number(self, packet: Any) -> int:  # noqa: ANN401 - av has no types
        number: int = round((packet.dts - self._origin) * self._stream.time_base * self.rate)
        return max(0, number)

    def _named(self, index: int) -> str:
        return f"frame {index} ({float(index / self.rate):.3f} s)"

    def _warn(self, what: str) -> None:
        """Once for a film, which may have the same fault in every frame."""
        if not self._warned:
            _log.warning("video %s: %s; it is read on", self.path, what)
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
            raise Damage(f"it is no readable video: {error.strerror}") from error
        if not self._container.streams.video:
            held = ", ".join(sorted({stream.type for stream in self._container.streams})) or "nothing"
            self._close()
            raise Damage(f"it has no video stream, only {held}")
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1  # worker processes share the cores already

    def _first_time(self) -> int:
        """When the first picture is shown, in the stream's time base.

        An AVI's first frames may be undecodable because they refer to one that was cut off; they have their times.
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
                late = int(self._stream.codec_context.has_b_frames)  # 1 where frames are stored out of order
                return times[-1 if frames[0].key_frame and not cause else min(late, len(times) - 1)]
        raise Damage(f"it cannot be decoded: {cause}" if cause else "no frame of it can be decoded")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

"""The audio of any recording that FFmpeg reads, as 16 kHz mono blocks; memory use does not depend on the length.

Channels are averaged and rates converted as in training (:func:`merflow.corpus.samples.to_16_khz_mono`). Packets that
cannot be decoded are replaced by silence, so that the rest keeps its time.

Shapes: n samples of one block.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.errors import MediaError
from merflow.features.media.frames import library
from merflow.serving.media import CONTAINER_OPTIONS, is_cover

_GAP_S = 0.1  # encoder delay and camera timestamps cause shorter ones
_LONGEST_GAP_S = 3600.0  # a longer one is a wrong timestamp, not a pause
_SHORT_BY_S = 1.0  # containers round durations
_KEPT_DAMAGES = 100


@dataclass(frozen=True)
class DamagedPart:
    """A part of a recording that could not be decoded.

    Attributes:
        at_s: Its time in the recording.
        reason: The problem in words.
    """

    at_s: float
    reason: str


@dataclass
class Decoded:
    """The audio of a file or device, with what was learned about it while reading.

    Attributes:
        name: Name for messages.
        container: An open PyAV container.
        stream: Its audio stream.
        expected_s: Duration according to the container; None if it does not say.
        origin_s: The container's first timestamp.
        damaged: Damaged parts so far, at most 100.
        n_damaged: Number of damaged parts so far.
        n_samples: Samples at 16 kHz so far.
    """

    name: str
    container: Any
    stream: Any
    expected_s: float | None
    origin_s: float = 0.0
    damaged: list[DamagedPart] = field(default_factory=list)
    n_damaged: int = 0
    n_samples: int = 0

    @property
    def has_video(self) -> bool:
        """True if the file has video, not just a cover image."""
        return any(not is_cover(stream) for stream in self.container.streams.video)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the samples in order, ``(n,)`` float32 at 16 kHz, all finite.

        Raises:
            MediaError: No sample can be decoded.
        """
        converter: _Converter | None = None
        for frame in self._frames():
            values, rate_hz = frame
            if converter is None or converter.rate_hz != rate_hz:
                if converter is not None:
                    yield from self._counted(converter.finish())
                converter = _Converter(rate_hz)
            yield from self._counted(converter.convert(values))
        if converter is not None:
            yield from self._counted(converter.finish())
        if not self.n_samples:
            first = f" ({self.damaged[0].reason})" if self.damaged else ""
            raise MediaError(f"no sound of {self.name} can be decoded{first}; replace the file")
        self._check_end()

    def _frames(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yield ``(n,)`` float32 mono samples and their rate; silence replaces what is missing."""
        av = library()
        floats = av.AudioResampler(format="fltp")
        sounded_s = 0.0
        for frame in self._decoded():
            silence_s = self._gap(frame, sounded_s)
            rate_hz = int(frame.sample_rate)
            if silence_s:
                yield from _silence(silence_s, rate_hz)
            sounded_s += silence_s
            try:
                parts = [each.to_ndarray() for each in floats.resample(frame)]
            except (av.FFmpegError, ValueError):  # the layout or format changed
                floats = av.AudioResampler(format="fltp")
                parts = [each.to_ndarray() for each in floats.resample(frame)]
            for part in parts:
                sounded_s += part.shape[1] / rate_hz
                yield self._finite(_mono(part)), rate_hz

    def _decoded(self) -> Iterator[Any]:
        """Yield the frames that can be decoded."""
        av = library()
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                self._damage(f"the rest cannot be read: {error.strerror}")
                return
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                self._damage(f"it cannot be decoded: {error.strerror}")

    def _gap(self, frame: Any, sounded_s: float) -> float:  # noqa: ANN401 - av has no types
        """Return the seconds of audio missing before a frame."""
        if frame.pts is None or not frame.time_base:
            return 0.0
        gap_s = float(frame.pts * frame.time_base) - self.origin_s - sounded_s
        if not _GAP_S < gap_s < _LONGEST_GAP_S:
            return 0.0
        if sounded_s:
            self._damage(f"{gap_s:.1f} s of sound are missing; they are silence here")
        return gap_s

    def _finite(self, mono: np.ndarray) -> np.ndarray:
        finite = np.isfinite(mono)
        if finite.all():
            return mono
        self._damage("samples are not finite; they are silence here")
        return np.where(finite, mono, np.float32(0))

    def _counted(self, block: np.ndarray) -> Iterator[np.ndarray]:
        if len(block):
            self.n_samples += len(block)
            yield block

    def _damage(self, reason: str) -> None:
        self.n_damaged += 1
        if len(self.damaged) < _KEPT_DAMAGES:
            self.damaged.append(DamagedPart(self.n_samples / RATE_HZ, reason))

    def _check_end(self) -> None:
        lost_s = 0.0 if self.expected_s is None else self.expected_s - self.n_samples / RATE_HZ
        if lost_s > _SHORT_BY_S:
            self._damage(f"its sound ends {lost_s:.1f} s before the end that its header gives")


@contextmanager
def open_recording(path: Path) -> Iterator[Decoded]:
    """Open the audio of a recording.

    Raises:
        MediaError: The file is missing, is not a recording, or has no audio.
        FeatureError: PyAV is not installed.
    """
    if not path.is_file():
        raise MediaError(f"no such recording: {path}; check the path")
    av = library()
    try:
        # The prefix prevents a name with a colon from being taken for a URL.
        container = av.open(f"file:{path}", options=CONTAINER_OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{path} is not a recording that FFmpeg reads ({reason}); convert it to WAV") from error
    with container:
        yield opened(container, name=str(path))


def opened(container: Any, *, name: str) -> Decoded:  # noqa: ANN401 - av has no types
    """Return the audio of an open container.

    Raises:
        MediaError: It has none.
    """
    if not container.streams.audio:
        raise MediaError(f"{name} has no sound; name a recording with an audio track")
    expected_s = None if not container.duration or container.duration < 0 else container.duration / 1e6
    origin_s = (container.start_time or 0) / 1e6
    return Decoded(name, container, container.streams.best("audio"), expected_s, origin_s)


class _Converter:
    """Block-wise conversion of one sample rate to 16 kHz; 16 kHz is left unchanged."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._stream: Any = None
        if rate_hz != RATE_HZ:
            import soxr

            self._stream = soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32", quality="HQ")

    def convert(self, mono: np.ndarray) -> np.ndarray:
        """Return the samples that are ready."""
        return mono if self._stream is None else self._resampled(mono, last=False)

    def finish(self) -> np.ndarray:
        """Return the samples that were held back."""
        nothing = np.zeros(0, dtype=np.float32)
        return nothing if self._stream is None else self._resampled(nothing, last=True)

    def _resampled(self, mono: np.ndarray, *, last: bool) -> np.ndarray:
        values: np.ndarray = self._stream.resample_chunk(np.ascontiguousarray(mono), last=last)
        return values


def _mono(channels: np.ndarray) -> np.ndarray:
    """Return the mean of ``(channels, n)``."""
    mono: np.ndarray = channels[0] if len(channels) == 1 else channels.mean(axis=0, dtype=np.float64)
    return np.ascontiguousarray(mono, dtype=np.float32)


def _silence(seconds: float, rate_hz: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield silence in blocks of at most a second."""
    left = round(seconds * rate_hz)
    while left > 0:
        yield np.zeros(min(left, rate_hz), dtype=np.float32), rate_hz
        left -= rate_hz

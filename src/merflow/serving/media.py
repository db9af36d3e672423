"""Clips from media in any format that libsndfile or PyAV reads: files, or the bytes of an upload.

Recordings that libsndfile reads (WAV, FLAC, OGG, MP3) are read as in training, so that predictions are the same. PyAV
reads all others, and the audio of videos.

Shapes: n samples.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from merflow.corpus.samples import RATE_HZ, read_samples, to_16_khz_mono
from merflow.errors import CorpusError, MediaError, TooLongError
from merflow.features.media.frames import library
from merflow.inference.media_clips import Clip, Samples, VideoFile

# Containers that hold audio and video themselves. Playlists and the like are left out, because they refer to other
# files, which an upload must not cause to be read. So are still images.
_CONTAINERS = (
    "aac,ac3,adts,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dv,eac3,f4v,flac,flv,loas,m4v,matroska,mov,mp3,mp4,"
    "mpc,mpeg,mpegts,mxf,ogg,opus,rm,spx,tak,tta,voc,w64,wav,webm,wtv,wv"
)
CONTAINER_OPTIONS = {"format_whitelist": _CONTAINERS}
_MAX_CHANNELS = 64
_MOST_HZ = 384_000
_BLOCK = 65_536  # samples
_WHOLE = 1 << 24  # samples read at once, five minutes at 48 kHz, whatever a header claims


def open_clip(
    source: Path | bytes,
    *,
    clip_id: str,
    text: str | None = None,
    limit_s: float | None = None,
    folder: Path | None = None,
) -> Clip:
    """Return a clip with the audio of a media file in memory, and with its video.

    The audio is 16 kHz mono. The video shows the whole frame and is as long as the audio.

    Args:
        source: The file, or its bytes.
        clip_id: Name of the clip.
        text: The words; None if they are unknown.
        limit_s: Maximum duration of the audio in seconds; None for no limit.
        folder: Folder in which the bytes of a video are stored, for the clip to refer to; the caller deletes it. None
            leaves the video of bytes out. A file stays where it is.

    Raises:
        TooLongError: It is longer than ``limit_s``.
        MediaError: It is missing, empty, damaged, or has neither audio nor video.
    """
    if isinstance(source, Path) and not source.is_file():
        raise MediaError(f"no such file: {source}")
    if not (len(source) if isinstance(source, bytes) else source.stat().st_size):
        raise MediaError(f"{_named(source)} is empty")
    header = _header(source)
    if header is not None:
        return Clip(clip_id, audio=Samples(_sound_file(source, header, limit_s=limit_s)), text=text)
    samples, has_video = _decoded(source, limit_s=limit_s)
    path = source if isinstance(source, Path) else None
    if has_video and path is None and folder is not None:
        assert isinstance(source, bytes)
        path = folder / f"video-{len(list(folder.iterdir()))}"
        path.write_bytes(source)
    video = VideoFile(path) if has_video and path is not None else None
    return Clip(clip_id, audio=None if samples is None else Samples(samples), video=video, text=text)


def _header(source: Path | bytes) -> Any:  # noqa: ANN401 - soundfile has no types
    """Return the header of a file in a format that libsndfile knows; None for any other."""
    try:
        return soundfile.info(_readable(source))
    except (soundfile.SoundFileError, OSError, TypeError):
        return None


def _sound_file(source: Path | bytes, header: Any, *, limit_s: float | None) -> np.ndarray:  # noqa: ANN401
    """Return the samples ``(n,)`` float32 of a file with this header, which libsndfile reads."""
    _check_layout(source, channels=header.channels, rate_hz=header.samplerate)
    _check_length(source, header.frames / header.samplerate, limit_s=limit_s)
    if isinstance(source, Path):
        try:
            return read_samples(source, n_samples=None, resample=True)
        except CorpusError as error:
            raise MediaError(str(error).partition(";")[0]) from error
    # In one call, as for a path: when libsndfile decodes an MP3 in blocks, the last bits differ.
    block_frames = min(max(1, header.frames), _WHOLE) if header.channels <= 2 else _BLOCK
    parts: list[np.ndarray] = []
    try:
        with soundfile.SoundFile(BytesIO(source)) as opened:
            for block in opened.blocks(block_frames, dtype="float32", always_2d=True):
                parts.append(_mono(block))
    except (soundfile.SoundFileError, OSError) as error:
        raise MediaError(f"{_named(source)} is not a readable recording: {error}") from error
    return _checked(source, parts, rate_hz=header.samplerate)


def _decoded(source: Path | bytes, *, limit_s: float | None) -> tuple[np.ndarray | None, bool]:
    """Return the samples ``(n,)`` float32 of a file that PyAV reads, None without audio; and True if it has video."""
    av = library()
    try:
        with av.open(_readable(source), options=CONTAINER_OPTIONS, metadata_errors="ignore") as container:
            films = [each for each in container.streams.video if not is_cover(each)]
            if not container.streams.audio:
                if not films:
                    raise MediaError(f"{_named(source)} has neither sound nor video")
                seconds = float(container.duration or 0) / av.time_base
                _check_length(source, seconds, limit_s=limit_s)
                return None, True
            stream = container.streams.audio[0]
            stream.thread_count = 1
            parts, rate_hz = _sound(source, container.decode(stream), limit_s=limit_s)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{_named(source)} cannot be read as audio or video: {reason}") from error
    return _checked(source, parts, rate_hz=rate_hz), bool(films)


def _sound(source: Path | bytes, frames: Any, *, limit_s: float | None) -> tuple[list[np.ndarray], int]:  # noqa: ANN401 - PyAV has no types
    """Return all samples as mono parts ``(n,)`` float32, and their rate; stop as soon as there are too many."""
    import av

    parts: list[np.ndarray] = []
    rate_hz, count = 0, 0
    resampler = av.AudioResampler(format="fltp")
    for frame in frames:
        if not rate_hz:
            rate_hz = int(frame.sample_rate)
            _check_layout(source, channels=len(frame.layout.channels), rate_hz=rate_hz)
        for converted in resampler.resample(frame):
            parts.append(_mono(converted.to_ndarray().T))
            count += len(parts[-1])
        _check_length(source, count / rate_hz, limit_s=limit_s)
    return parts, rate_hz


def _mono(samples: np.ndarray) -> np.ndarray:
    """Return the mean of the channels, ``(n, channels)`` -> ``(n,)`` float32.

    It is computed while reading: many silent channels take little space in a file, but a lot of memory.
    """
    return np.ascontiguousarray(samples.mean(axis=1, dtype=np.float64), dtype=np.float32)


def _checked(source: Path | bytes, parts: Sequence[np.ndarray], *, rate_hz: int) -> np.ndarray:
    """Return mono parts ``(n,)`` as one recording ``(m,)`` at 16 kHz."""
    values = np.concatenate([np.zeros(0, dtype=np.float32), *parts])
    if not len(values):
        raise MediaError(f"{_named(source)} has no samples")
    if not np.isfinite(values).all():
        raise MediaError(f"{_named(source)} has samples that are not numbers")
    return to_16_khz_mono(values[:, None], rate_hz=rate_hz)


def _check_layout(source: Path | bytes, *, channels: int, rate_hz: int) -> None:
    if not 1 <= channels <= _MAX_CHANNELS or not 1 <= rate_hz <= _MOST_HZ:
        raise MediaError(f"{_named(source)} claims {channels} channels at {rate_hz} Hz, which cannot be speech")


def _check_length(source: Path | bytes, seconds: float, *, limit_s: float | None) -> None:
    if limit_s is not None and seconds > limit_s:
        raise TooLongError(f"{_named(source)} is longer than {limit_s:g} s; cut it, or see `merflow listen`")


def is_cover(stream: Any) -> bool:  # noqa: ANN401 - PyAV has no types
    """Return True if a video stream is an album cover."""
    import av.stream

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _readable(source: Path | bytes) -> str | BytesIO:
    return BytesIO(source) if isinstance(source, bytes) else str(source)


def _named(source: Path | bytes) -> str:
    return "the upload" if isinstance(source, bytes) else str(source)


def seconds_of(samples: np.ndarray) -> float:
    """Return the duration of 16 kHz samples ``(n,)``."""
    return len(samples) / RATE_HZ

"""Inputs of clips, read in the same way as by extraction from a corpus.

Shapes: n samples, F frames of H rows and W columns.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from merflow.contracts.streams import MODALITY_OF, Stream
from merflow.corpus.samples import RATE_HZ, Excerpt, read_samples, to_16_khz_mono
from merflow.errors import CorpusError, FeatureError
from merflow.features.media.clips import cut
from merflow.features.media.dialogue_video import VideoSpan, read_dialogue
from merflow.features.media.film import Film
from merflow.features.media.frames import Damage
from merflow.inference.media_clips import Clip, Frames, VideoFile

_MAX_FRAMES = 180  # as in extraction

# Samples, text or frames; or the reason why they cannot be read.
ClipInput = np.ndarray | str | CorpusError | FeatureError


def inputs_of(clips: Sequence[Clip], stream: Stream) -> Iterable[tuple[int, ClipInput]]:
    """Yield the index of each clip that has an input for the stream, with the input, cut as the stream requires.

    An input is samples ``(n,)`` float32 at 16 kHz, a text, or frames ``(F, H, W, 3)`` uint8. If it cannot be read, the
    error is yielded instead.
    """
    modality = MODALITY_OF[stream.role]
    with_input = [(index, clip) for index, clip in enumerate(clips) if clip.has(modality)]
    if modality == "video":
        yield from _videos(with_input, clip_s=stream.clip_s)
    elif modality == "audio":
        yield from _recordings(with_input, stream)
    else:
        yield from ((index, (clip.text or "").strip()) for index, clip in with_input)


def _recordings(clips: Sequence[tuple[int, Clip]], stream: Stream) -> Iterable[tuple[int, ClipInput]]:
    """Yield the samples of each clip."""
    for index, clip in clips:
        try:
            yield index, cut(samples_of(clip), clip_s=stream.clip_s, skip_silence=stream.skip_silence)
        except CorpusError as error:
            yield index, error


def samples_of(clip: Clip) -> np.ndarray:
    """Return the clip's audio, ``(n,)`` float32 at 16 kHz.

    Raises:
        CorpusError: The file cannot be read, or the samples are empty or not finite.
    """
    if isinstance(clip.audio, Path | Excerpt):
        return read_samples(clip.audio, n_samples=None, resample=True)
    assert clip.audio is not None
    values = np.asarray(clip.audio.values, dtype=np.float32)
    if values.ndim not in (1, 2) or not len(values):
        raise CorpusError(f"its samples have shape {values.shape}; expected (n,) or (n, channels) with n > 0")
    if not np.isfinite(values).all():
        raise CorpusError("its samples are not all finite; replace the recording")
    return to_16_khz_mono(values.reshape(len(values), -1), rate_hz=clip.audio.rate_hz)


def _videos(clips: Sequence[tuple[int, Clip]], *, clip_s: float | None) -> Iterable[tuple[int, ClipInput]]:
    """Yield the frames ``(F, H, W, 3)`` uint8 of each clip; every file is decoded once for all its clips."""
    spans: dict[Path, list[VideoSpan]] = {}
    for index, clip in clips:
        if isinstance(clip.video, Frames):
            if clip.video.values.ndim == 4 and len(clip.video.values):
                yield index, _thinned(clip.video, clip_s=clip_s)
            else:
                yield index, FeatureError(f"its frames have shape {clip.video.values.shape}; expected (F, H, W, 3)")
            continue
        assert clip.video is not None
        try:
            end_s = clip.video.end_s if clip.video.end_s is not None else clip.video.start_s + _duration_s(clip)
        except (CorpusError, FeatureError) as error:
            yield index, error
            continue
        span = VideoSpan(str(index), clip.video.side, clip.video.start_s, end_s)
        spans.setdefault(clip.video.path, []).append(span)
    for path, of_file in spans.items():
        for name, frames in read_dialogue(path, of_file, max_frames=_MAX_FRAMES, clip_s=clip_s):
            yield int(name), frames


def _duration_s(clip: Clip) -> float:
    """Return the duration of a clip whose video file has no given end: its recording's, or the rest of the file."""
    if clip.audio is not None:
        return len(samples_of(clip)) / RATE_HZ
    assert isinstance(clip.video, VideoFile)
    try:
        with Film(clip.video.path) as film:
            end_s = float(film.header_frames / film.rate)
    except Damage as damage:
        raise FeatureError(f"video {clip.video.path}: {damage}; replace the file") from None
    if not end_s:
        raise FeatureError(f"video {clip.video.path} does not state its duration; set end_s of the clip")
    return end_s - clip.video.start_s


def _thinned(frames: Frames, *, clip_s: float | None) -> np.ndarray:
    """Return the frames that extraction would take from a file with these frames.

    They are those that begin in the first ``clip_s`` seconds, or the middles of equal parts if there are too many.
    """
    begin = len(frames.values) if clip_s is None else min(len(frames.values), math.ceil(clip_s * frames.rate_hz))
    count = min(begin, _MAX_FRAMES)
    taken: np.ndarray = frames.values[(2 * np.arange(count) + 1) * begin // (2 * count)]
    return taken

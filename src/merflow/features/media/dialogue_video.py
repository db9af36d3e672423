"""The frames of a dialogue's utterances: the speaker's half of the video, decoded once for all of them.

IEMOCAP films two actors side by side in a letterboxed frame of 720x480; the actor with the markers is on the left. The
halves, and the rows between the letterbox bars, scale with the frame's size. Times follow the container's own rate:
frame k begins at k / rate seconds, and an utterance has the frames that begin during it.

Shapes: F frames, H rows and W columns of a half (240, 360 at 720x480).
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from merflow.errors import FeatureError
from merflow.features.media.film import Film
from merflow.features.media.frames import Damage, Picture

Side = Literal["left", "right"]

_MICROSECONDS = 10**6
# A header may declare this much more than can be decoded (skipped frames at the end); beyond that a file is truncated.
_SLACK_S = 0.5

# Remedies.
_REPLACE = "replace the file"
_CORRECT = "correct the utterance's times"


@dataclass(frozen=True)
class VideoSpan:
    """An utterance's part of its dialogue's video.

    Attributes:
        side: The speaker's half; None if the whole frame shows the speaker.
        start_s: Start in seconds from the video's first frame.
        end_s: End in seconds from the video's first frame.
    """

    utterance_id: str
    side: Side | None
    start_s: float
    end_s: float


def frame_indices(span: VideoSpan, *, rate: Fraction, max_frames: int, clip_s: float | None) -> np.ndarray:
    """Return the numbers, from 0, of the frames that represent a span: ``(F,)`` int64, F from 1 to ``max_frames``.

    These are the frames that begin in the span's first ``clip_s`` seconds (in all of it if None). If there are more
    than ``max_frames``, that many are chosen evenly. A span between two frames has the frame that it begins in.
    """
    assert max_frames >= 1
    start = _exact(span.start_s)
    end = _exact(span.end_s) if clip_s is None else min(_exact(span.end_s), start + _exact(clip_s))
    first, stop = math.ceil(start * rate), math.ceil(end * rate)
    if stop <= first:
        return np.array([math.floor(start * rate)], dtype=np.int64)
    count = min(stop - first, max_frames)
    # The middles of `count` equal parts.
    return first + (2 * np.arange(count, dtype=np.int64) + 1) * (stop - first) // (2 * count)


def frame_times(span: VideoSpan, *, rate: Fraction, max_frames: int, clip_s: float | None) -> np.ndarray:
    """Return the start times of the frames of :func:`frame_indices`, ``(F,)`` seconds from the video's first frame."""
    return frame_indices(span, rate=rate, max_frames=max_frames, clip_s=clip_s) / float(rate)


def video_rate(path: Path) -> Fraction:
    """Return the frames per second that the container gives.

    Raises:
        FeatureError: The file is missing, is not a video or has no frame rate; or PyAV is not installed.
    """
    try:
        with Film(path) as film:
            return film.rate
    except Damage as damage:
        raise FeatureError(f"video {path}: {damage}; replace the file") from None


def read_dialogue(
    path: Path, spans: Sequence[VideoSpan], *, max_frames: int = 180, clip_s: float | None
) -> Iterator[tuple[str, np.ndarray | FeatureError]]:
    """Yield every span's frames as soon as its last frame is decoded; only unfinished utterances are in memory.

    Args:
        path: The dialogue's video.
        spans: Utterances in any order; they may overlap.
        max_frames: Most frames per utterance.
        clip_s: Seconds of every utterance that are read; None for all of it.

    Yields:
        An utterance and its ``(F, H, W, 3)`` uint8 RGB frames, in the order in which the utterances end. If the video
        ends before the utterance, the last frame is repeated. If an utterance has no frames, the reason comes instead:
        the file is missing, has no video stream, or is truncated or damaged before the utterance's end; or the span
        has no length or lies beyond the video's end.

    Raises:
        FeatureError: PyAV is not installed.
    """
    takes = []
    for span in spans:
        if 0 <= span.start_s < span.end_s < math.inf:
            takes.append(span)
        else:
            yield (
                span.utterance_id,
                _fault(path, span, f"its span, {span.start_s:g} to {span.end_s:g} s, has no length; {_CORRECT}"),
            )
    if not takes:
        return
    try:
        film = Film(path)
    except Damage as damage:
        for span in takes:
            yield span.utterance_id, _fault(path, span, f"{damage}; {_REPLACE}")
        return
    with film:
        yield from _read(film, [_Take(film, span, max_frames=max_frames, clip_s=clip_s) for span in takes])


class _Take:
    """One utterance while its frames are collected."""

    def __init__(self, film: Film, span: VideoSpan, *, max_frames: int, clip_s: float | None) -> None:
        self.span = span
        self.indices = frame_indices(span, rate=film.rate, max_frames=max_frames, clip_s=clip_s).tolist()
        self._frames: np.ndarray | None = None
        self._filled = 0

    @property
    def complete(self) -> bool:
        return self._filled == len(self.indices)

    def show(self, picture: Picture, *, until: float) -> None:
        """Use the picture for every frame that is due before index ``until``."""
        while not self.complete and self.indices[self._filled] < until:
            half = picture.half(self.span.side)
            if self._frames is None:
                self._frames = np.empty((len(self.indices), *half.shape), dtype=np.uint8)
            self._frames[self._filled] = half
            self._filled += 1

    def hand_over(self) -> np.ndarray:
        """Return the frames and drop them here: a whole dialogue's would fill gigabytes."""
        frames, self._frames = self._frames, None
        assert frames is not None
        assert self.complete
        return frames


def _read(film: Film, takes: list[_Take]) -> Iterator[tuple[str, np.ndarray | FeatureError]]:
    """Read the film once, from the key frame before the first utterance to the last frame that is needed."""
    waiting = deque(sorted(takes, key=lambda take: take.indices[0]))
    running: list[_Take] = []
    shown: Picture | None = None
    damage: Damage | None = None
    try:
        for picture in film.pictures(first=waiting[0].indices[0]):
            while shown is None and waiting and picture.index - waiting[0].indices[0] > _SLACK_S * film.rate:
                early = waiting.popleft().span
                starts_s = float(picture.index / film.rate)
                yield (
                    early.utterance_id,
                    _fault(film.path, early, f"its pictures before {starts_s:.3f} s cannot be decoded; {_REPLACE}"),
                )
            # A frame that the file leaves out repeats the previous one.
            for take in running:
                take.show(shown or picture, until=picture.index)
            while waiting and waiting[0].indices[0] <= picture.index:
                running.append(waiting.popleft())
            for take in running:
                take.show(picture, until=picture.index + 1)
            for take in [take for take in running if take.complete]:
                running.remove(take)
                yield take.span.utterance_id, take.hand_over()
            shown = picture
            if not running and not waiting:
                return
    except Damage as fault:
        damage = fault
    for take in (*running, *waiting):
        reason = f"{damage}; {_REPLACE}" if damage else _end(film, shown, take)
        if reason is None and shown is not None:
            take.show(shown, until=math.inf)
            yield take.span.utterance_id, take.hand_over()
        else:
            yield take.span.utterance_id, _fault(film.path, take.span, str(reason))


def _end(film: Film, last: Picture | None, take: _Take) -> str | None:
    """Return the reason why an utterance unfinished at the film's end has no frames; None if the last is repeated."""
    if last is None:
        return f"no frame of it can be decoded; {_REPLACE}"
    readable = last.index + 1
    if film.header_frames - readable > _SLACK_S * film.rate:
        return f"it is truncated: {readable} of {film.header_frames} frames; {_REPLACE}"
    if take.indices[0] > last.index:
        end_s = float(readable / film.rate)
        return f"it ends at {end_s:.3f} s, before the utterance starts at {take.span.start_s:.3f} s; {_CORRECT}"
    return None


def _fault(path: Path, span: VideoSpan, reason: str) -> FeatureError:
    return FeatureError(f"utterance {span.utterance_id}: video {path}: {reason}")


def _exact(seconds: float) -> Fraction:
    """Round seconds to the microsecond, so that 0.1 s at 30 Hz is exactly frame 3."""
    return Fraction(round(seconds * _MICROSECONDS), _MICROSECONDS)

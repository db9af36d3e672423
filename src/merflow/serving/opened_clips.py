"""Clips of a list, opened a few at a time with their words and the turns of dialogue around them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from merflow.errors import FeatureError, MediaError, TooLongError
from merflow.inference.media_clips import Clip, Samples, VideoFile
from merflow.serving.clip_list import ListedClip
from merflow.serving.media import open_clip

Transcribe = Callable[[Sequence[np.ndarray]], list[str]]


class OpenedClips:
    """The clips of a list; only those that are needed are in memory.

    Args:
        listed: The clips.
        reach: Turns on either side of a clip that the model reads.
        limit_s: Longest clip in seconds.
        folder: Folder for the videos of clips that come as bytes.
        transcribe: Returns the words of 16 kHz recordings; None for no words.
    """

    def __init__(
        self,
        listed: Sequence[ListedClip],
        *,
        reach: int,
        limit_s: float,
        folder: Path,
        transcribe: Transcribe | None,
    ) -> None:
        self._listed = listed
        self._turns = _turns(listed, reach=reach)
        self._limit_s = limit_s
        self._folder = folder
        self._transcribe = transcribe
        self._opened: dict[int, Clip | str] = {}

    def around(self, index: int) -> tuple[list[int], list[int]]:
        """Return the indices of the turns before and after a clip."""
        return self._turns[index]

    def open(self, indices: Sequence[int]) -> list[Clip | str]:
        """Return clips with the turns around them, or the reason why one cannot be opened; drop all others."""
        needed = {turn for index in indices for turn in (index, *self._turns[index][0], *self._turns[index][1])}
        self._opened = {index: clip for index, clip in self._opened.items() if index in needed}
        new = sorted(needed - self._opened.keys())
        self._opened |= {index: self._open(self._listed[index]) for index in new}
        self._add_words(new)
        return [self._with_turns(index) for index in indices]

    def _open(self, listed: ListedClip) -> Clip | str:
        clip = Clip(listed.name, text=listed.text)
        try:
            if listed.media is not None:
                clip = open_clip(
                    listed.media, clip_id=listed.name, text=listed.text, limit_s=self._limit_s, folder=self._folder
                )
        except (MediaError, FeatureError) as error:
            if isinstance(error, TooLongError) or isinstance(listed.media, bytes):
                return str(error)
            clip = replace(clip, audio=listed.media)  # the predictor decides whether the rest of the clip is enough
        return clip if listed.video is None else replace(clip, video=VideoFile(listed.video))

    def _add_words(self, indices: Sequence[int]) -> None:
        if self._transcribe is None:
            return
        wordless: dict[int, Clip] = {}
        for index in indices:
            clip = self._opened[index]
            if isinstance(clip, Clip) and isinstance(clip.audio, Samples) and not clip.has("text"):
                wordless[index] = clip
        if wordless:
            recordings = [clip.audio.values for clip in wordless.values() if isinstance(clip.audio, Samples)]
            for (index, clip), text in zip(wordless.items(), self._transcribe(recordings), strict=True):
                self._opened[index] = replace(clip, text=text)

    def _with_turns(self, index: int) -> Clip | str:
        clip = self._opened[index]
        if isinstance(clip, str):
            return clip
        before, after = ([self._opened[turn] for turn in turns] for turns in self._turns[index])
        return replace(clip, before=tuple(map(_known, before)), after=tuple(map(_known, after)))


def _known(turn: Clip | str) -> Clip | None:
    return turn if isinstance(turn, Clip) else None


def _turns(listed: Sequence[ListedClip], *, reach: int) -> list[tuple[list[int], list[int]]]:
    """Return the turns before and after each clip in its dialogue."""
    dialogues: dict[str, list[int]] = {}
    for index, clip in enumerate(listed):
        if clip.dialogue is not None:
            dialogues.setdefault(clip.dialogue, []).append(index)
    around: list[tuple[list[int], list[int]]] = [([], []) for _ in listed]
    for members in dialogues.values():
        for place, index in enumerate(members):
            around[index] = members[max(0, place - reach) : place], members[place + 1 :][:reach]
    return around

"""Clips: recordings, video and words of utterances from outside a corpus.

Shapes: n samples, F frames of H rows and W columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from merflow.contracts.streams import Modality
from merflow.corpus.samples import RATE_HZ, Excerpt
from merflow.features.media.dialogue_video import Side


@dataclass(frozen=True, eq=False)
class Samples:
    """Audio in memory.

    Attributes:
        values: ``(n,)`` or ``(n, channels)`` floats, full scale at 1.
        rate_hz: Sample rate. Audio that is not 16 kHz mono is converted.
    """

    values: np.ndarray
    rate_hz: int = RATE_HZ


@dataclass(frozen=True)
class VideoFile:
    """Part of a video file.

    Attributes:
        path: The file.
        start_s: Start of the clip in the file.
        end_s: End of the clip in the file; None if the video is as long as the clip's recording, or if the clip extends
            to the end of the file.
        side: Half of the frame that shows the speaker; None for the whole frame.
    """

    path: Path
    start_s: float = 0.0
    end_s: float | None = None
    side: Side | None = None


@dataclass(frozen=True, eq=False)
class Frames:
    """Video in memory.

    Attributes:
        values: ``(F, H, W, 3)`` uint8 RGB.
        rate_hz: Frames per second.
    """

    values: np.ndarray
    rate_hz: float


@dataclass(frozen=True, eq=False)
class Clip:
    """One utterance: a recording, a video and words, each of which may be missing, and the turns around it.

    Attributes:
        clip_id: Name of the clip, for results and error messages.
        audio: A sound file of any rate, a part of one, or samples; None if there is no recording.
        video: A video file, or frames; None if there is no video.
        text: The words; None or blank if they are unknown.
        before: Turns of the dialogue before this one, oldest first; None for an unknown turn.
        after: Turns of the dialogue after this one.
    """

    clip_id: str
    audio: Path | Excerpt | Samples | None = None
    video: VideoFile | Frames | None = None
    text: str | None = None
    before: tuple["Clip | None", ...] = ()
    after: tuple["Clip | None", ...] = ()

    def has(self, modality: Modality) -> bool:
        """Return True if the clip has an input of this modality."""
        if modality == "text":
            return bool(self.text and self.text.strip())
        return (self.audio if modality == "audio" else self.video) is not None


def dialogue(turns: Sequence[Clip], *, reach: int) -> list[Clip]:
    """Return the turns of one dialogue, each with up to ``reach`` turns before and after it.

    Args:
        turns: All turns in order.
        reach: Number of turns on either side; :attr:`MediaEncoders.reach` says how many a model reads.
    """
    return [
        replace(turn, before=tuple(turns[max(0, index - reach) : index]), after=tuple(turns[index + 1 :][:reach]))
        for index, turn in enumerate(turns)
    ]

"""The frames and the faults of a video's utterances."""

from pathlib import Path

import numpy as np

from merflow.errors import FeatureError
from merflow.features.media.dialogue_video import VideoSpan, read_dialogue


def read(path: Path, spans: list[VideoSpan]) -> dict[str, np.ndarray]:
    found = {}
    for name, frames in read_dialogue(path, spans, clip_s=None):
        assert isinstance(frames, np.ndarray), frames
        found[name] = frames
    return found


def faults(path: Path, spans: list[VideoSpan]) -> dict[str, str]:
    found = dict(read_dialogue(path, spans, clip_s=None))
    return {name: str(fault) for name, fault in found.items() if isinstance(fault, FeatureError)}

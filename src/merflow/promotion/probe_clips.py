"""Generated clips for trying out a package without its corpus.

They are as long as the training utterances, so that the time per clip is realistic; their content is not.
"""

from collections.abc import Collection

import numpy as np

from merflow.contracts.model_package import ModelPackage
from merflow.contracts.streams import Modality
from merflow.corpus.samples import RATE_HZ
from merflow.inference.media_clips import Clip, Frames, Samples

# Longer clips say nothing new about a model, and take long to encode on a CPU.
_LONGEST_S = 20.0
_FRAMES_HZ, _HEIGHT, _WIDTH = 25.0, 96, 128
_WORDS = ("well", "I", "did", "not", "think", "that", "you", "would", "really", "say", "that", "to", "us")
_WORDS_PER_S = 2.5


def probe_clips(package: ModelPackage, *, also: Collection[Modality] = (), count: int = 6) -> list[Clip]:
    """Return clips with every input that the package reads, from its shortest training utterance to its longest.

    Args:
        package: The package.
        also: Further modalities, for another package that is measured on the same clips.
        count: Number of clips.
    """
    return made_up_clips({*package.modalities, *also}, seconds=package.training_seconds, count=count)


def made_up_clips(modalities: Collection[Modality], *, seconds: tuple[float, float], count: int) -> list[Clip]:
    """Return clips with these modalities, with durations from the shortest to the longest of the given ones."""
    random = np.random.default_rng(0)
    shortest_s, longest_s = (min(each, _LONGEST_S) for each in seconds)
    lengths_s = np.linspace(max(shortest_s, 0.5), max(longest_s, 0.5), count)
    return [
        Clip(
            f"probe-{number}",
            audio=Samples(_voice(random, length_s)) if "audio" in modalities else None,
            video=_pictures(random, length_s) if "video" in modalities else None,
            text=_words(length_s) if "text" in modalities else None,
        )
        for number, length_s in enumerate(lengths_s.tolist(), start=1)
    ]


def _voice(random: np.random.Generator, seconds: float) -> np.ndarray:
    """Return a humming sound with syllables, ``(n,)`` float32 at 16 kHz."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = random.uniform(100, 220)
    tones = sum(np.sin(2 * np.pi * pitch_hz * k * time_s) / k for k in range(1, 8))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time_s)
    sound: np.ndarray = 0.1 * tones * syllables + random.normal(0, 0.003, size=len(time_s))
    return sound.astype(np.float32)


def _pictures(random: np.random.Generator, seconds: float) -> Frames:
    shape = (max(1, int(seconds * _FRAMES_HZ)), _HEIGHT, _WIDTH, 3)
    return Frames(random.integers(0, 256, size=shape, dtype=np.uint8), rate_hz=_FRAMES_HZ)


def _words(seconds: float) -> str:
    return " ".join(_WORDS[index % len(_WORDS)] for index in range(max(2, int(seconds * _WORDS_PER_S))))

"""Recordings as files."""

import wave
from pathlib import Path

import numpy as np

from merflow.corpus.synthetic.voice import RATE_HZ


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Write ``(samples,)`` or ``(samples, channels)`` int16 as RIFF PCM with a 44-byte header."""
    with path.open("wb") as stream, wave.open(stream, "wb") as sound:
        sound.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes(samples.astype("<i2").tobytes())

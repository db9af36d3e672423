"""Recordings of known content: planted voices in silence, in any format that FFmpeg writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from merflow.corpus.samples import RATE_HZ

MOUTHS_PER_S = 10


@dataclass(frozen=True, eq=False)
class Planted:
    """A recording with voices at known places.

    Attributes:
        samples: ``(n,)`` float32 at 16 kHz.
        voices: First sample and end of each voice.
    """

    samples: np.ndarray
    voices: tuple[tuple[int, int], ...]


def planted(voices: Sequence[np.ndarray], *, pause_s: float = 1.0, noise: float = 0.001) -> Planted:
    """Return voices with pauses before, between and after them, and faint noise everywhere."""
    pause = np.zeros(round(pause_s * RATE_HZ), dtype=np.float32)
    parts, places, n = [pause], [], len(pause)
    for voice in voices:
        places.append((n, n + len(voice)))
        parts += [voice, pause]
        n += len(voice) + len(pause)
    samples = np.concatenate(parts)
    hiss = np.random.default_rng(0).normal(0, noise, len(samples))
    return Planted(np.asarray(np.clip(samples + hiss, -1, 1), dtype=np.float32), tuple(places))


def voices_in(folder: Path, *, count: int) -> list[np.ndarray]:
    """Return the samples of the first utterances below a folder, each at 16 kHz."""
    found = (path for path in folder.rglob("*.wav") if not path.name.startswith(".") and "dialog" not in path.parts)
    paths = sorted(found)[:count]
    assert len(paths) == count
    read = [soundfile.read(path, dtype="float32") for path in paths]
    assert {rate_hz for _, rate_hz in read} == {RATE_HZ}
    return [samples for samples, _ in read]


def beep(seconds: float, *, rate_hz: int = RATE_HZ, channels: int = 1) -> np.ndarray:
    """Return a tone ``(n, channels)`` whose pitch rises, so that no two parts are alike."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = 0.4 * np.sin(2 * np.pi * (200 + 40 * time_s) * time_s)
    return np.asarray(np.stack([tone / (1 + channel) for channel in range(channels)], axis=1), dtype=np.float32)


def write_film(path: Path, samples: np.ndarray, *, late_s: float = 0.0, sound: bool = True) -> Path:
    """Write a video of grey pictures with mono sound at 16 kHz that begins ``late_s`` after them."""
    import av

    seconds = len(samples) / RATE_HZ + late_s
    with av.open(str(path), "w") as container:
        film: Any = container.add_stream("mpeg4", rate=MOUTHS_PER_S)
        film.width, film.height, film.pix_fmt = 64, 64, "yuv420p"
        voice: Any = container.add_stream("aac", rate=RATE_HZ, layout="mono") if sound else None
        for number in range(round(seconds * MOUTHS_PER_S)):
            grey = np.full((64, 64, 3), 40 + number % 160, dtype=np.uint8)
            picture = av.VideoFrame.from_ndarray(grey, format="rgb24")
            container.mux(film.encode(picture.reformat(format="yuv420p")))
        container.mux(film.encode(None))
        if voice is not None:
            frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, round(late_s * RATE_HZ)
            for each in (frame, None):
                container.mux(voice.encode(each))
    return path


def write_compressed(path: Path, samples: np.ndarray, *, encoder: str, rate_hz: int = RATE_HZ) -> Path:
    """Write mono samples with this encoder; the name of the file decides the container."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(encoder, rate=rate_hz, layout="mono")
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate_hz, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        for each in (frame, None):
            for part in resampler.resample(each):
                container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path

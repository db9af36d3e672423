"""Measures of recordings: each file is decoded once, block by block, so that memory doesn't grow with its length."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import soundfile

from merflow.corpus.audio_header import truncation
from merflow.corpus.samples import Excerpt

AudioState = Literal["ok", "none", "missing", "empty", "truncated", "unreadable"]

BLOCK_FRAMES = 1 << 16
WORKERS = 4  # hides the latency of network file systems; a local disk needs only one
FULL_SCALE = 32767 / 32768  # the largest positive 16-bit sample; converters clip here
SILENCE_FLOOR_DBFS = -180.0  # used for digital silence, whose level has no logarithm


@dataclass(frozen=True)
class Recording:
    """The measures of a recording or of an utterance's part of one; the figures are None unless ``state`` is ``ok``.

    Attributes:
        state: State of the file; ``none`` if the row names no recording.
        note: Description of the file's defect; empty for an intact file.
        samples: Decoded samples per channel.
        rms_dbfs: Level of all finite samples: 0 for a square wave at full scale, at least ``SILENCE_FLOOR_DBFS``.
        clipped_share: Share of samples at full scale, from 0 to 1.
        non_finite: Number of NaN and infinite samples.
    """

    state: AudioState
    note: str = ""
    file_rate_hz: int | None = None
    channels: int | None = None
    samples: int | None = None
    rms_dbfs: float | None = None
    clipped_share: float | None = None
    non_finite: int | None = None


def measure(recording: Path | Excerpt) -> Recording:
    """Measure one recording, decoded in blocks; an unreadable file gets a state and a note instead of an error."""
    path = recording if isinstance(recording, Path) else recording.path
    if not path.is_file():
        return Recording("missing", f"no such recording: {path}")
    if path.stat().st_size == 0:
        return Recording("empty", "the file has 0 bytes")
    try:
        if isinstance(recording, Excerpt):
            return _measure_part(recording)
        if lost := truncation(path):
            note = f"the header declares {lost.promised_bytes} bytes of samples, but the file has {lost.held_bytes}"
            return Recording("truncated", note)
        with soundfile.SoundFile(path) as sound:
            return _measure(sound, promised=sound.frames)
    except soundfile.LibsndfileError as error:
        return Recording("unreadable", error.error_string.rstrip("."))
    except (soundfile.SoundFileError, OSError) as error:
        return Recording("unreadable", str(error))


def measure_all(
    sources: Sequence[Path | Excerpt | None], *, progress: Callable[[str, int, int], None] | None = None
) -> pd.DataFrame:
    """Measure many recordings; return one row of :class:`Recording` per source, in the order of the sources.

    Args:
        sources: Recordings, or parts of them; None for a row without one.
        progress: Receives the stage's name, the files done and the number of files.
    """

    def one(source: Path | Excerpt | None) -> Recording:
        return Recording("none") if source is None else measure(source)

    recordings: list[Recording] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(sources), 256):
            recordings += pool.map(one, sources[start : start + 256])
            if progress is not None:
                progress("recordings", len(recordings), len(sources))
    columns = list(Recording.__dataclass_fields__)
    frame = pd.DataFrame([asdict(recording) for recording in recordings], columns=columns)
    figures = columns[2:]
    return frame.astype({"state": "str", "note": "str"} | dict.fromkeys(figures, "float64"))


def _measure_part(part: Excerpt) -> Recording:
    with soundfile.SoundFile(part.path) as sound:
        numbers = part.samples(rate_hz=sound.samplerate, of=sound.frames)
        if not numbers:
            return Recording("empty", f"it ends at {sound.frames / sound.samplerate:.3f} s")
        sound.seek(numbers.start)
        return _measure(sound, promised=len(numbers))


def _measure(sound: soundfile.SoundFile, *, promised: int) -> Recording:
    """Measure this many samples, from the current position of the file."""
    frames, non_finite, clipped, energy = 0, 0, 0, 0.0
    for block in sound.blocks(BLOCK_FRAMES, frames=promised, dtype="float32", always_2d=True):
        frames += len(block)
        if not np.isfinite(block).all():
            non_finite += int(np.count_nonzero(~np.isfinite(block)))
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        clipped += int(np.count_nonzero(np.abs(block) >= FULL_SCALE))
        energy += float(np.square(block, dtype=np.float64).sum())
    values = frames * sound.channels
    if frames == 0:
        return Recording("empty", "the file has 0 samples")
    if frames < promised:
        return Recording("truncated", f"the header declares {promised} samples, but the file has {frames}")
    power = energy / max(values - non_finite, 1)
    return Recording(
        state="ok",
        file_rate_hz=sound.samplerate,
        channels=sound.channels,
        samples=frames,
        rms_dbfs=max(10 * np.log10(power), SILENCE_FLOOR_DBFS) if power > 0 else SILENCE_FLOOR_DBFS,
        clipped_share=clipped / values,
        non_finite=non_finite,
    )

"""Measures a corpus' recordings: each file is decoded once, block by block, so that memory does not grow with it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import soundfile

from merflow.corpus.audio_header import truncation

AudioState = Literal["ok", "none", "missing", "empty", "truncated", "unreadable"]

BLOCK_FRAMES = 1 << 16
WORKERS = 4  # hides the latency of network file systems; on a local disk one would do
FULL_SCALE = 32767 / 32768  # the largest positive 16-bit sample; converters clip here
SILENCE_FLOOR_DBFS = -180.0  # stands for the level of digital silence, which has no logarithm


@dataclass(frozen=True)
class Recording:
    """What one pass over a recording found; the figures are None unless ``state`` is ``ok``.

    Attributes:
        state: ``none`` where the row names no recording.
        note: What is wrong with the file, in words; empty when it is sound.
        samples: Decoded samples per channel.
        rms_dbfs: Level of all finite samples, 0 for a square wave at full scale; at least ``SILENCE_FLOOR_DBFS``.
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


def measure(path: Path) -> Recording:
    """One recording, decoded in blocks; a file that cannot be read is described, not raised."""
    if not path.is_file():
        return Recording("missing", f"no such file: {path}")
    if path.stat().st_size == 0:
        return Recording("empty", "the file holds 0 bytes")
    try:
        if lost := truncation(path):
            told, held = lost
            return Recording("truncated", f"the header tells {told} bytes of samples, the file holds {held}")
        with soundfile.SoundFile(path) as sound:
            return _measure(sound)
    except soundfile.LibsndfileError as error:
        return Recording("unreadable", error.error_string.rstrip("."))
    except (soundfile.SoundFileError, OSError) as error:
        return Recording("unreadable", str(error))


def measure_all(
    root: Path, *, paths: Sequence[str | None], progress: Callable[[str, int, int], None] | None = None
) -> pd.DataFrame:
    """One row of :class:`Recording` a path, in the order of the paths.

    Args:
        root: Folder that the paths are relative to.
        paths: Recordings; None for a row without one.
        progress: Called with the stage's name, the files done and the number of files.
    """

    def one(path: str | None) -> Recording:
        return Recording("none") if path is None else measure(root / path)

    found: list[Recording] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(paths), 256):
            found += pool.map(one, paths[start : start + 256])
            if progress is not None:
                progress("recordings", len(found), len(paths))
    columns = list(Recording.__dataclass_fields__)
    frame = pd.DataFrame([asdict(recording) for recording in found], columns=columns)
    figures = columns[2:]
    return frame.astype({"state": "str", "note": "str"} | dict.fromkeys(figures, "float64"))


def _measure(sound: soundfile.SoundFile) -> Recording:
    frames, non_finite, clipped, energy = 0, 0, 0, 0.0
    for block in sound.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True):
        frames += len(block)
        if not np.isfinite(block).all():
            non_finite += int(np.count_nonzero(~np.isfinite(block)))
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        clipped += int(np.count_nonzero(np.abs(block) >= FULL_SCALE))
        energy += float(np.square(block, dtype=np.float64).sum())
    values = frames * sound.channels
    if frames == 0:
        return Recording("empty", "the file holds 0 samples")
    if frames < sound.frames:
        return Recording("truncated", f"the header tells {sound.frames} samples, the file holds {frames}")
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

"""Lengths and sampling rates of recordings, from their headers alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import soundfile

_READERS = 8  # hides the latency of network file systems; on a local disk one would do


class AudioHeader(NamedTuple):
    """Samples per channel, and samples a second."""

    n_samples: int
    rate_hz: int


def read_headers(paths: Sequence[Path]) -> list[AudioHeader | None]:
    """A header for each path, in order; None where the file is missing or is no audio file."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(_read_header, paths))


def _read_header(path: Path) -> AudioHeader | None:
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, TypeError):  # TypeError: a .raw file, which has no header
        return None
    return AudioHeader(n_samples=info.frames, rate_hz=info.samplerate)

"""Headers of recordings: lengths, sampling rates, and truncated files."""

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import soundfile

_THREADS = 8  # hides the latency of network file systems; a local disk needs only one
_UNKNOWN_BYTES = 0xFFFFFFFF  # the length in a WAV that was streamed or exceeds 4 GiB


class AudioHeader(NamedTuple):
    """Samples per channel, and samples per second."""

    n_samples: int
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate_hz


class Truncation(NamedTuple):
    """Bytes of samples that a header declares, and the smaller number that the file contains."""

    promised_bytes: int
    held_bytes: int


def read_headers(paths: Sequence[Path]) -> list[AudioHeader | None]:
    """Return a header for each path, in order; None if the file is missing or is not an audio file."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(_read_header, paths))


def truncation(path: Path) -> Truncation | None:
    """Return how far a WAV file is truncated; None for a complete file, or for a header without a length.

    libsndfile reads a truncated WAV silently, as if it were a shorter one.

    Raises:
        OSError: The file is missing or cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        while len(chunk := file.read(8)) == 8:
            name, promised = struct.unpack("<4sI", chunk)
            if name == b"data":
                held = path.stat().st_size - file.tell()
                return Truncation(promised, held) if held < promised != _UNKNOWN_BYTES else None
            file.seek(promised + promised % 2, 1)  # chunks start at even positions
    return None


def _read_header(path: Path) -> AudioHeader | None:
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, TypeError):  # TypeError: a .raw file, which has no header
        return None
    return AudioHeader(n_samples=info.frames, rate_hz=info.samplerate)

"""What the headers of recordings tell: lengths and sampling rates, and whether a file lost its end."""

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import soundfile

_READERS = 8  # hides the latency of network file systems; on a local disk one would do
_UNKNOWN_BYTES = 0xFFFFFFFF  # a WAV that was streamed or is longer than 4 GiB does not tell its length


class AudioHeader(NamedTuple):
    """Samples per channel, and samples a second."""

    n_samples: int
    rate_hz: int


class Truncation(NamedTuple):
    """Bytes of samples that a header tells, and fewer that the file holds."""

    told_bytes: int
    held_bytes: int


def read_headers(paths: Sequence[Path]) -> list[AudioHeader | None]:
    """A header for each path, in order; None where the file is missing or is no audio file."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(_read_header, paths))


def truncation(path: Path) -> Truncation | None:
    """What a WAV file that was cut off has lost; None where the file is whole, or its header tells no length.

    Needed because libsndfile reads a cut-off WAV without a word, as if it were a shorter one.

    Raises:
        OSError: The file is missing or cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        while len(chunk := file.read(8)) == 8:
            name, told = struct.unpack("<4sI", chunk)
            if name == b"data":
                held = path.stat().st_size - file.tell()
                return Truncation(told, held) if held < told != _UNKNOWN_BYTES else None
            file.seek(told + told % 2, 1)  # chunks begin at even places
    return None


def _read_header(path: Path) -> AudioHeader | None:
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, TypeError):  # TypeError: a .raw file, which has no header
        return None
    return AudioHeader(n_samples=info.frames, rate_hz=info.samplerate)

"""A compressed copy of the audio that every browser plays: MP3, 16 kHz mono.

The bit rate is constant, so that seeking is exact. The copy has the audio that the model heard, and takes 4 kB per
second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.features.media.frames import library
from merflow.storage.local import output_errors

BYTES_PER_S = 4000
MIME = "audio/mpeg"


class PlaybackCopy:
    """An MP3 file being written."""

    def __init__(self, container: Any, stream: Any) -> None:  # noqa: ANN401 - av has no types
        self._container, self._stream = container, stream
        self._written = 0

    def add(self, samples: np.ndarray) -> None:
        """Write the next samples, ``(n,)`` float32."""
        whole = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)
        frame = library().AudioFrame.from_ndarray(whole[None, :], format="s16p", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, self._written
        self._written += len(whole)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what remains in the encoder."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def playback_copy(path: Path) -> Iterator[PlaybackCopy]:
    """Write a copy to this path; it is complete when the block ends.

    Raises:
        OutputError: The file cannot be written.
    """
    with output_errors(path), library().open(str(path), "w", format="mp3") as container:
        stream = container.add_stream(
            "libmp3lame", rate=RATE_HZ, layout="mono", format="s16p", options={"compression_level": "7"}
        )
        stream.bit_rate = 8 * BYTES_PER_S
        copy = PlaybackCopy(container, stream)
        yield copy
        copy.finish()

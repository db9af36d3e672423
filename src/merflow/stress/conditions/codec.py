"""Recordings that were compressed by a codec and decompressed again. The codecs come with PyAV.

Shapes: n samples.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from merflow.corpus.samples import RATE_HZ, to_16_khz_mono


@dataclass(frozen=True)
class Codec:
    """A codec and its setting.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        container: FFmpeg's name of the file format for the stream.
        bits_per_s: Bit rate.
        sample_format: Sample format that the encoder takes.
    """

    encoder: str
    container: str
    bits_per_s: int
    sample_format: str


# Internet calls at their lowest usual rate, and a voice memo compressed to a tenth.
OPUS = Codec("libopus", "ogg", 12_000, "s16")
MP3 = Codec("libmp3lame", "mp3", 24_000, "s16p")


def through(codec: Codec) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change that encodes and decodes a recording without changing its length."""

    def change(samples: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
        decoded = _decoded(_encoded(samples, codec))
        kept = np.zeros(len(samples), dtype=np.float32)
        kept[: len(decoded)] = decoded[: len(kept)]
        return kept

    return change


def _encoded(samples: np.ndarray, codec: Codec) -> io.BytesIO:
    """Return the recording as a file in memory."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=codec.container) as container:
        stream: Any = container.add_stream(codec.encoder, rate=RATE_HZ)
        stream.layout, stream.format, stream.bit_rate = "mono", codec.sample_format, codec.bits_per_s
        whole = np.round(np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[None, :], format=codec.sample_format, layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, 0
        for each in (frame, None):
            container.mux(stream.encode(each))
    file.seek(0)
    return file


def _decoded(file: io.BytesIO) -> np.ndarray:
    """Return the samples of a file in memory, ``(n,)`` float32 at 16 kHz."""
    parts = list(_frames(file))
    if not parts:
        return np.zeros(0, dtype=np.float32)
    rates = {rate_hz for rate_hz, _ in parts}
    assert len(rates) == 1, rates
    return to_16_khz_mono(np.concatenate([values for _, values in parts])[:, None], rate_hz=rates.pop())


def _frames(file: io.BytesIO) -> Iterator[tuple[int, np.ndarray]]:
    """Yield rate and samples of each decoded frame."""
    import av

    with av.open(file) as container:
        floats = av.AudioResampler(format="fltp", layout="mono")
        for frame in container.decode(audio=0):
            for each in floats.resample(frame):
                yield int(each.sample_rate), each.to_ndarray()[0]

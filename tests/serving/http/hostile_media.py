"""Media files that a server must survive, made here."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import soundfile

RATE_HZ = 16_000


def tone(seconds: float = 1.0, *, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Return a soft tone with noise."""
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(0).normal(0, 0.02, len(at))
    return np.asarray(0.2 * np.sin(2 * np.pi * 180 * at) + noise, dtype=np.float32)


def encoded(samples: np.ndarray, *, rate_hz: int = RATE_HZ, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """Return samples as a sound file."""
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, format=kind, subtype=subtype)
    return content.getvalue()


@cache
def silence(kind: str, *, seconds: int, rate_hz: int = 8000, channels: int = 1) -> bytes:
    """Return silence of any length in a small file."""
    content = io.BytesIO()
    with soundfile.SoundFile(content, "w", rate_hz, channels, format=kind) as file:
        for _ in range(seconds):
            file.write(np.zeros((rate_hz, channels), dtype=np.float32))
    return content.getvalue()


@cache
def movie(*, sound: bool = True) -> bytes:
    """Return a second of MP4."""
    import av

    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono") if sound else None
        for number in range(10):
            picture = np.full((64, 64, 3), 20 * number, dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(tone()[None, :], format="fltp", layout="mono")
            frame.sample_rate = RATE_HZ
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return content.getvalue()


def patched(content: bytes, at: int, value: bytes) -> bytes:
    """Return the content with these bytes at this place."""
    return content[:at] + value + content[at + len(value) :]


def media() -> dict[str, bytes]:
    """Return the files by name."""
    wav = encoded(tone())
    floats = tone()
    floats[100:200] = np.nan
    infinite = tone()
    infinite[5] = np.inf
    random = np.random.default_rng(1)
    flac, ogg, mp3 = (encoded(tone(), kind=kind) for kind in ("FLAC", "OGG", "MP3"))
    zipped = b"PK\x03\x04" + zlib.compress(bytes(10_000_000))
    return {
        "empty": b"",
        "one-byte": b"R",
        "garbage": random.bytes(50_000),
        "text": b"this is no sound " * 100,
        "html": b"<html><script>alert(1)</script></html>",
        "zip": zipped,
        "gzip": b"\x1f\x8b\x08" + zipped,
        "png": b"\x89PNG\r\n\x1a\n" + random.bytes(1000),
        "gif": b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00",
        "svg-of-a-file": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "m3u-of-files": b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n/etc/passwd\n",
        "hls-of-an-address": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "concat-of-files": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
        "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "wav-head-alone": wav[:44],
        "wav-head-cut": wav[:20],
        "wav-cut": wav[: len(wav) // 2],
        "wav-no-samples": encoded(np.zeros(0, dtype=np.float32)),
        "wav-one-sample": encoded(np.zeros(1, dtype=np.float32)),
        "wav-claims-4-gib": patched(wav, 40, struct.pack("<I", 0xFFFFFFF0)),
        "wav-no-channels": patched(wav, 22, struct.pack("<H", 0)),
        "wav-65535-channels": patched(wav, 22, struct.pack("<H", 65535)),
        "wav-rate-0": patched(wav, 24, struct.pack("<I", 0)),
        "wav-rate-1": patched(wav, 24, struct.pack("<I", 1)),
        "wav-rate-4-ghz": patched(wav, 24, struct.pack("<I", 0xFFFFFFFF)),
        "wav-0-bits": patched(wav, 34, struct.pack("<H", 0)),
        "wav-unknown-codec": patched(wav, 20, struct.pack("<H", 0x7777)),
        "wav-nan": encoded(floats, subtype="FLOAT"),
        "wav-inf": encoded(infinite, subtype="FLOAT"),
        "wav-huge-values": encoded(np.full(RATE_HZ, 3e38, dtype=np.float32), subtype="FLOAT"),
        "wav-silent": encoded(np.zeros(RATE_HZ, dtype=np.float32)),
        "wav-8-bits": encoded(tone(), subtype="PCM_U8"),
        "wav-96-khz-8-channels": encoded(np.repeat(tone(rate_hz=96_000)[:, None], 8, axis=1), rate_hz=96_000),
        "wav-with-tail": wav + random.bytes(10_000),
        "flac": flac,
        "flac-cut": flac[: len(flac) // 2],
        "flac-damaged": patched(flac, len(flac) // 2, random.bytes(400)),
        "ogg": ogg,
        "ogg-cut": ogg[: len(ogg) // 3],
        "mp3": mp3,
        "mp3-damaged": patched(mp3, len(mp3) // 2, bytes(300)),
        "mp4": movie(),
        "mp4-cut": movie()[: len(movie()) // 2],
        "mp4-head-alone": movie()[:40],
        "mp4-damaged": patched(movie(), 60, random.bytes(200)),
        "mp4-without-sound": movie(sound=False),
        "webm-head": b"\x1a\x45\xdf\xa3" + random.bytes(200),
    }


# Small files of much silence, by name: they take seconds to make.
LONG: dict[str, Callable[[], bytes]] = {
    "flac-hours": lambda: silence("FLAC", seconds=2 * 3600),
    "ogg-minutes": lambda: silence("OGG", seconds=900),
    "mp3-minutes": lambda: silence("MP3", seconds=600),
    "flac-wide": lambda: silence("FLAC", seconds=30, rate_hz=192_000, channels=8),  # 184 MB of samples
}

# Files with sound that is to be answered; everything else may be refused, never with a server's fault.
ANSWERED = frozenset(
    {"wav-8-bits", "wav-96-khz-8-channels", "wav-silent", "wav-with-tail", "flac", "flac-wide", "ogg", "mp3", "mp4"}
)
TOO_LONG = frozenset({"flac-hours", "ogg-minutes", "mp3-minutes", "wav-rate-1"})

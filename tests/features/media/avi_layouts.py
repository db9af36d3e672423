"""AVI files in the layouts of twenty years of programs; their frames show their numbers."""

import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

av: Any = pytest.importorskip("av")

SIZE = 64  # pixels a side
KEYS = 20  # frames from one key frame to the next
_RATE = Fraction(30000, 1001)
_RIFF = 12  # bytes before what a list holds
# A frame that is not coded, in the place of one that came packed with the one before.
_PLACEHOLDER = bytes.fromhex("000001b6500013")


class Chunk(NamedTuple):
    name: bytes
    content: bytes
    key: bool = False

    @property
    def is_frame(self) -> bool:
        return self.name == b"00dc"


class Footage(NamedTuple):
    """A film of ``frames`` frames with sound, before :func:`write` lays it out as a file."""

    header: bytes
    chunks: tuple[Chunk, ...]
    frames: int


def footage(path: Path, *, frames: int = 60, late: int = 0, packed: bool = False, flags: str = "") -> Footage:
    """Encode a film as MPEG-4 with PCM sound.

    Args:
        path: A file that it may overwrite.
        frames: Number of frames, at most 255.
        late: Consecutive frames that refer to a later one.
        packed: True to pack each frame that refers to a later one into that frame's chunk.
        flags: More flags for the encoder.
    """
    random = np.random.default_rng(0)
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=_RATE)
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        stream.codec_context.gop_size = KEYS
        stream.codec_context.options = {"bf": str(late), "flags": "+qscale" + flags, "global_quality": "354"}
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for index in range(frames):
            picture = random.integers(-12, 13, (SIZE, SIZE, 3))
            for bit in range(8):
                picture[:, bit * 8 : bit * 8 + 8] += 200 if index >> bit & 1 else 50
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")))
            audio = av.AudioFrame.from_ndarray(np.zeros((1, 267), np.int16), format="s16", layout="mono")
            audio.sample_rate = 8000
            container.mux(sound.encode(audio))
        container.mux(stream.encode())
    header, chunks = _taken_apart(path.read_bytes())
    assert sum(chunk.is_frame for chunk in chunks) == frames
    return Footage(header, tuple(_packed(chunks) if packed else chunks), frames)


def number(picture: np.ndarray) -> int:
    """Return the number that a picture of the footage shows."""
    bits = picture.mean(axis=(0, 2)).reshape(8, 8).mean(axis=1) > 125
    return sum(1 << bit for bit in range(8) if bits[bit])


def write(
    path: Path,
    film: Footage,
    *,
    listed: Callable[[int, Chunk], bool] = lambda *_: True,
    keys: Callable[[Chunk], bool] = lambda chunk: chunk.key,
    index: bool = True,
    base: int | None = None,
    told: int | None = None,
    lists: int = 0,
    junk: bool = False,
    padded: bool = True,
    riffs: int = 1,
) -> None:
    """Write the footage as an AVI.

    Args:
        path: The file.
        film: The footage.
        listed: Returns True for chunks that the index has.
        keys: Returns True for chunks that the index marks as key frames.
        index: True to write an index.
        base: Byte that the index counts from; by default the list of chunks.
        told: Frames that the header promises; by default their real number.
        lists: Chunks per list; 0 for no lists.
        junk: True to put a padding chunk before every chunk.
        padded: True to pad chunks of odd length with a byte.
        riffs: Parts of the file; a file above a gigabyte has several.
    """
    header = bytearray(film.header)
    place = header.index(b"vids") + 32
    header[place : place + 4] = struct.pack("<I", film.frames if told is None else told)
    content, entries = bytearray(), b""
    for part in range(riffs):
        chunks = film.chunks[part * len(film.chunks) // riffs : (part + 1) * len(film.chunks) // riffs]
        first = bytes(_list(b"hdrl", header)) if part == 0 else b""
        begin = len(content) + _RIFF + len(first) + _RIFF
        inside = bytearray()
        for count in range(0, len(chunks), lists or len(chunks)):
            group = chunks[count : count + (lists or len(chunks))]
            at = begin + len(inside) + (_RIFF if lists else 0)
            body = bytearray()
            for place, chunk in enumerate(group, start=count):
                body += _chunk(b"JUNK", bytes(7)) if junk else b""
                if listed(place, chunk) and part == 0:
                    offset = at + len(body) - (begin - 4 if base is None else base)
                    flags = 16 if keys(chunk) else 0
                    entries += struct.pack("<4sIII", chunk.name, flags, offset % 2**32, len(chunk.content))
                body += _chunk(chunk.name, chunk.content, padded=padded)
            inside += _list(b"rec ", body) if lists else body
        whole = first + _list(b"movi", inside) + (_chunk(b"idx1", entries) if index and part == 0 else b"")
        content += b"RIFF" + struct.pack("<I", len(whole) + 4) + (b"AVIX" if part else b"AVI ") + whole
    path.write_bytes(content)


def with_dropped(film: Footage, *, at: Sequence[int]) -> Footage:
    """Insert empty chunks before these frames, which are counted in the order in which they are stored."""
    chunks: list[Chunk] = []
    stored = 0
    for chunk in film.chunks:
        if chunk.is_frame:
            chunks += [Chunk(b"00dc", b"")] * at.count(stored)
            stored += 1
        chunks.append(chunk)
    return Footage(film.header, tuple(chunks), film.frames + len(at))


def _taken_apart(content: bytes) -> tuple[bytes, list[Chunk]]:
    header, chunks = b"", []
    for name, body in _chunks(content[_RIFF:]):
        if name == b"LIST" and body[:4] == b"hdrl":
            header = body[4:].replace(b"indx", b"JUNK")
        elif name == b"LIST" and body[:4] == b"movi":
            chunks = [Chunk(*one) for one in _chunks(body[4:]) if one[0][:2].isdigit()]
        elif name == b"idx1":
            flags = [entry[1] for entry in struct.iter_unpack("<4sIII", body)]
            assert len(flags) == len(chunks)
            chunks = [chunk._replace(key=bool(flag & 16)) for chunk, flag in zip(chunks, flags, strict=True)]
    return header, chunks


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, place)
        yield name, content[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _packed(chunks: list[Chunk]) -> Iterator[Chunk]:
    """Move every second frame into the previous chunk and leave a placeholder, as DivX and Xvid do."""
    frames = [place for place, chunk in enumerate(chunks) if chunk.is_frame]
    content = {place: chunks[place].content for place in frames}
    # So the decoder knows that frames are packed.
    content[frames[0]] = content[frames[0]].replace(b"\0\0\1\xb6", b"\0\0\1\xb2DivX503b1393p\0\0\1\xb6", 1)
    for before, place in itertools.pairwise(frames):
        if _refers_to_later(content[place]):
            content[before] += content[place]
            content[place] = _PLACEHOLDER
    for place, chunk in enumerate(chunks):
        yield chunk._replace(content=content.get(place, chunk.content))


def _refers_to_later(content: bytes) -> bool:
    """Return True if a frame's coding type is 2."""
    return content[content.index(b"\0\0\1\xb6") + 4] >> 6 == 2


def _chunk(name: bytes, content: bytes, *, padded: bool = True) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2 if padded else 0)


def _list(name: bytes, content: bytes | bytearray) -> bytes:
    return _chunk(b"LIST", name + bytes(content))

"""The chunks of an AVI, read without its index.

A file is a chain of chunks, each with its own length. A piece that was cut out or overwritten breaks the chain, and
players continue after the hole, where every frame comes too early. But a broken chain does not prove a loss, because
some programs write chunks carelessly and players tolerate that.

The positions in the index prove nothing: even in files that play well, the index may lack chunks, stop early or count
from another offset. A reader that follows such an index drops frames, or takes other bytes for frames.
"""

import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<4sI")
_NAME = re.compile(rb"[ -~]{4}")
_KNOWN = re.compile(rb"\d\d[A-Za-z]{2}|ix\d\d|idx1|JUNK|LIST|RIFF")
_LISTS = (b"LIST", b"RIFF")
_INDEXES = (b"idx1", b"indx")


class Break(NamedTuple):
    """The point at which no chunk follows although the file continues.

    Attributes:
        last: Byte offset of the last chunk, which may be shorter than its header says.
        end: Byte offset at which the next chunk should begin.
        short: True if the file has fewer bytes than its header says.
    """

    last: int
    end: int
    short: bool


class Chunks(NamedTuple):
    """The chunks of a file up to the first break.

    Attributes:
        frames: Byte offsets of one stream's chunks; empty chunks, which repeat the previous frame, are left out.
        indexes: Byte offsets of indexes.
        broken: The break; None if there is none.
    """

    frames: tuple[int, ...]
    indexes: tuple[int, ...]
    broken: Break | None


def chunks_of(path: Path, *, stream: int) -> Chunks:
    """Read the chunks of a file one after the other.

    A last chunk that extends beyond the file's end is not a break: such a file was truncated, not cut in the middle.
    """
    prefix = b"%02d" % stream
    frames: list[int] = []
    indexes: set[int] = set()
    broken = None
    last = end = promised_size = 0
    odd = False  # a padding byte should follow a chunk of odd length; careless programs omit it
    with path.open("rb") as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        while end + odd + _HEADER.size <= size:
            head = os.pread(descriptor, _HEADER.size + 1, end)
            late = odd or (len(head) > _HEADER.size and _KNOWN.match(head, 1))  # the latter after a list of odd length
            if late and not _KNOWN.match(head):
                head, end = head[1:], end + 1
            name, length = _HEADER.unpack_from(head)
            following = end + _HEADER.size + length
            if name in _LISTS:
                # The list's length leads to an index after it, even if a chunk in the list is broken.
                if os.pread(descriptor, 4, following) in _INDEXES:
                    indexes.add(following)
                promised_size = following if name == b"RIFF" else promised_size
                last, end, odd = end, end + _HEADER.size + len(name), False
                continue
            if not _NAME.match(name) or (following > size and not _KNOWN.match(name)):
                broken = Break(last, end, short=promised_size > size)
                break
            if length and name[:2] == prefix:
                frames.append(end)
            elif name in _INDEXES:
                indexes.add(end)
            last, end, odd = end, following, bool(length % 2)
    return Chunks(tuple(frames), tuple(sorted(indexes)), broken)


class WithoutIndex:
    """A file whose indexes appear as padding chunks, so that its chunks are read in their order.

    Args:
        path: The file.
        indexes: Byte offsets of its indexes.
    """

    def __init__(self, path: Path, *, indexes: Sequence[int]) -> None:
        self._file = path.open("rb")
        self._indexes = indexes
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, size: int = -1) -> bytes:
        """Read bytes, as from any file."""
        start = self._file.tell()
        content = bytearray(self._file.read(size))
        for index in self._indexes:
            for offset, letter in enumerate(b"JUNK", start=index - start):
                if 0 <= offset < len(content):
                    content[offset] = letter
        return bytes(content)

"""The chunks of an AVI, apart from what its index says of them.

A file is a chain of chunks, each of which tells its own length. A piece that was cut out or overwritten breaks the
chain; players go on behind the hole, where every frame comes too early. The other way round a broken chain proves no
loss, because there are programs that write chunks carelessly and players that forgive them.

Where the index says that chunks lie proves nothing at all: in files that play well it lacks chunks, stops early or
counts from elsewhere. A reader that follows such an index leaves frames out, or takes other bytes for frames.
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
    """Where no chunk follows although the file goes on.

    Attributes:
        last: Place of the last chunk, which may lack a part of what its header promises.
        end: Where the next should be.
        short: The file has fewer bytes than it tells.
    """

    last: int
    end: int
    short: bool


class Chunks(NamedTuple):
    """What a file consists of, up to the first break.

    Attributes:
        frames: Places of one stream's chunks, without those of no length, which repeat the frame before.
        indexes: Places of indexes.
    """

    frames: tuple[int, ...]
    indexes: tuple[int, ...]
    broken: Break | None


def chunks_of(path: Path, *, stream: int) -> Chunks:
    """Goes from chunk to chunk.

    A last chunk that goes beyond the file's end is no break: such a file was cut off, not cut up.
    """
    own = b"%02d" % stream
    frames: list[int] = []
    indexes: set[int] = set()
    broken = None
    last = end = told = 0
    odd = False  # a byte more should follow a chunk of odd length; careless programs omit it
    with path.open("rb") as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        while end + odd + _HEADER.size <= size:
            head = os.pread(descriptor, _HEADER.size + 1, end)
            late = odd or (len(head) > _HEADER.size and _KNOWN.match(head, 1))  # the latter behind a list of odd length
            if late and not _KNOWN.match(head):
                head, end = head[1:], end + 1
            name, length = _HEADER.unpack_from(head)
            behind = end + _HEADER.size + length
            if name in _LISTS:
                # An index behind a list of frames is found by the list's length, also where a chunk in it is broken.
                if os.pread(descriptor, 4, behind) in _INDEXES:
                    indexes.add(behind)
                told = behind if name == b"RIFF" else told
                last, end, odd = end, end + _HEADER.size + len(name), False
                continue
            if not _NAME.match(name) or (behind > size and not _KNOWN.match(name)):
                broken = Break(last, end, short=told > size)
                break
            if length and name[:2] == own:
                frames.append(end)
            elif name in _INDEXES:
                indexes.add(end)
            last, end, odd = end, behind, bool(length % 2)
    return Chunks(tuple(frames), tuple(sorted(indexes)), broken)


class WithoutIndex:
    """A file whose indexes are named as chunks that mean nothing, so that what it holds is read in its order.

    Args:
        path: The file.
        indexes: Places of its indexes.
    """

    def __init__(self, path: Path, *, indexes: Sequence[int]) -> None:
        self._file = path.open("rb")
        self._indexes = indexes
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, size: int = -1) -> bytes:
        """As of any file."""
        start = self._file.tell()
        content = bytearray(self._file.read(size))
        for index in self._indexes:
            for offset, letter in enumerate(b"JUNK", start=index - start):
                if 0 <= offset < len(content):
                    content[offset] = letter
        return bytes(content)

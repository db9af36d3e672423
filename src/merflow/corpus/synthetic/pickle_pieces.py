"""Pickles whose arrays are written piece by piece, so that no array need fit into memory."""

import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np

_PROTOCOL = 4
# An empty array, as NumPy before version 2 pickles it; its state follows.
_EMPTY_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


@dataclass(frozen=True)
class PieceByPiece:
    """An array that is made while it is written.

    Attributes:
        shape: Shape of the whole.
        dtype: Type of the whole.
        pieces: Parts of the whole along its first axis, in order.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Iterator[np.ndarray]


def write_pickle(file: BinaryIO, value: Any) -> None:  # noqa: ANN401 - what pickle can write
    """Write a value that ``pickle.load`` reads: dicts of dicts, arrays in pieces, and anything small.

    A dict's values are written one after the other, so that each array is made when it is its turn.
    """
    file.write(b"\x80" + bytes([_PROTOCOL]))
    _write(file, value)
    file.write(b".")


def _write(file: BinaryIO, value: Any) -> None:  # noqa: ANN401 - what pickle can write
    if isinstance(value, dict):
        file.write(b"}")
        for name, inner in value.items():
            file.write(_small(name))
            _write(file, inner)
            file.write(b"s")
    elif isinstance(value, PieceByPiece):
        _write_array(file, value)
    else:
        file.write(_small(value))


def _write_array(file: BinaryIO, array: PieceByPiece) -> None:
    size = prod(array.shape) * array.dtype.itemsize
    file.write(
        _EMPTY_ARRAY + b"(K\x01" + _small(array.shape) + _small(array.dtype) + b"\x89\x8e" + struct.pack("<Q", size)
    )
    for piece in array.pieces:
        file.write(np.ascontiguousarray(piece, dtype=array.dtype).data)
    file.write(b"tb")


def _small(value: Any) -> bytes:  # noqa: ANN401 - what pickle can write
    """Return the opcodes of a value without the protocol before them and the end after them."""
    return pickle.dumps(value, protocol=3)[2:-1]  # without the frames of protocol 4

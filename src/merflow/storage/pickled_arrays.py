"""NumPy's arrays, types and numbers, rebuilt from a pickle's description without running code from the pickle.

NumPy pickles an array as a call that makes an empty one and a state that fills it, and a type likewise. Only these
calls are allowed, and their arguments are checked; any other call is refused.
"""

import codecs
import re
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

_MOST_AXES = 8
_MOST_SIZE = 1 << 48
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = 0xD800 >> 11

# NumPy's names, before and since version 2.
_CALLS = {
    **{f"{core}.multiarray._reconstruct": "array" for core in ("numpy.core", "numpy._core")},
    **{f"{core}.multiarray.scalar": "number" for core in ("numpy.core", "numpy._core")},
    **{f"{core}.numeric._frombuffer": "buffer" for core in ("numpy.core", "numpy._core")},
    **{"numpy.dtype": "type", "numpy.ndarray": "class"},
    # Protocol 2 has no bytes: Python 3 writes them as the call that makes them from a text.
    **{"_codecs.encode": "bytes", "__builtin__.bytes": "no bytes"},
}
# Types of numbers, of texts, and of Python objects, which texts of any length are. Texts of no length need no bytes, so
# that an array of them could have any number.
_TYPES = re.compile(r"b1|[iu][1248]|f[248]|U[1-9]\d{0,5}|O8")
_PIECE = 1 << 20


class NotPlainError(Exception):
    """A description that NumPy would not write; the message says why."""


@dataclass(frozen=True)
class Name:
    """One of NumPy's names that a pickle may contain.

    Raises:
        NotPlainError: It is none of them.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in _CALLS:
            raise NotPlainError(f"{self.name:.200} is not allowed in a file of plain values and arrays")


@dataclass(frozen=True, eq=False)
class LongText:
    """A text of protocol 2 that is too long for words, and is not decoded before its bytes are asked for.

    Attributes:
        utf8: Its part of the file.
    """

    utf8: memoryview

    def __len__(self) -> int:
        """Return the number of bytes in the file."""
        return len(self.utf8)


@dataclass
class Unfinished:
    """A type or an array without its state.

    Attributes:
        code: The type, as ``f4``; empty for an array.
        value: The finished type or array; None before that.
    """

    code: str
    value: Any = None


def call(name: object, arguments: object) -> Any:  # noqa: ANN401 - an array, a number, or either unfinished
    """Return the result of calling one of NumPy's names with its arguments.

    Raises:
        NotPlainError: It is another call, or has arguments that NumPy would not write.
    """
    match _CALLS[name.name] if isinstance(name, Name) else None, arguments:
        case "array", (Name("numpy.ndarray"), (0,), b"b"):
            return Unfinished("")
        case "type", (str() as code, 0, 1) if _TYPES.fullmatch(code):
            return Unfinished(code)
        case "number", (np.dtype() as dtype, bytes() as content) if dtype.kind != "O":
            return array_of((1,), dtype, content, order="C")[0]
        case "buffer", (content, np.dtype() as dtype, tuple() as shape, str() as order) if order in ("C", "F"):
            return array_of(shape, dtype, content, order=order)
        case "bytes", (str() | LongText() as text, "latin1"):
            return _encoded(text)
        case "no bytes", ():
            return b""
    called = name.name if isinstance(name, Name) else f"a {type(name).__name__}"
    raise NotPlainError(f"calling {called} with these arguments is not allowed")


def finish(unfinished: object, state: object) -> None:
    """Give a type or an array its state.

    Raises:
        NotPlainError: The object has no state, or not this one.
    """
    if not isinstance(unfinished, Unfinished):
        raise NotPlainError(f"setting the state of a {type(unfinished).__name__} is not allowed")
    match bool(unfinished.code), state:
        case True, (int(), "<" | ">" | "|" as order, None, None, None, int(), int(), int()):
            unfinished.value = np.dtype(f"{order}{unfinished.code}")
        case False, (1, tuple() as shape, np.dtype() as dtype, int() as by_column, content):
            unfinished.value = array_of(shape, dtype, content, order="F" if by_column else "C")
        case _:
            raise NotPlainError(f"this is not a state of {'a NumPy type' if unfinished.code else 'an array'}")


def array_of(shape: tuple[Any, ...], dtype: np.dtype, content: object, *, order: Any) -> Any:  # noqa: ANN401
    """Return a read-only view of bytes as an array; the list of texts of an array of Python objects.

    Raises:
        NotPlainError: Shape, type and content do not fit together, or an object is not text.
    """
    if len(shape) > _MOST_AXES or not all(type(size) is int and 0 <= size < _MOST_SIZE for size in shape):
        raise NotPlainError("an array has no valid shape")
    if dtype.kind == "O":
        return _texts(shape, content)
    if not isinstance(content, bytes | memoryview) or len(content) != prod(shape) * dtype.itemsize:
        raise NotPlainError(f"an array of shape {shape} and type {dtype} does not have as many bytes")
    try:
        array: np.ndarray = np.ndarray(shape, dtype, buffer=content, order=order)
    except (ValueError, TypeError) as error:
        raise NotPlainError(f"an array cannot be made: {error}") from error
    if dtype.kind == "U":
        letters = np.frombuffer(content, f"{dtype.str[0]}u4")
        if ((letters > _LAST_CHARACTER) | (letters >> 11 == _SURROGATES)).any():
            raise NotPlainError("an array of texts holds numbers that are not characters")
    return array


def _encoded(text: str | LongText) -> bytes | memoryview:
    """Return the bytes that a text stands for, one per character."""
    try:
        if isinstance(text, str):
            return text.encode("latin-1")
        decoder, content = codecs.getincrementaldecoder("utf-8")(), bytearray()
        for start in range(0, len(text.utf8), _PIECE):
            last = start + _PIECE >= len(text.utf8)
            content += decoder.decode(text.utf8[start : start + _PIECE], last).encode("latin-1")
    except UnicodeError as error:
        raise NotPlainError("a text does not stand for bytes: it is not UTF-8, or has characters above 255") from error
    return memoryview(content).toreadonly()


def _texts(shape: tuple[int, ...], content: object) -> list[Any]:
    if len(shape) != 1 or not isinstance(content, list) or len(content) != shape[0]:
        raise NotPlainError("an array of Python objects is not a row of texts")
    if others := {type(one).__name__ for one in content} - {"str"}:
        raise NotPlainError(f"an array of Python objects holds a {min(others)}, not texts alone")
    return content
